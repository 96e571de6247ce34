package org.lexvla.cli;

import picocli.CommandLine.Command;

/** Measures a model. */
@Command(
        name = "evaluate",
        description = "Measure a model.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "retrieval|sparsity",
        subcommands = {RetrievalCommand.class, SparsityCommand.class})
final class EvaluateCommand {}
