package org.lexvla.cli;

import picocli.CommandLine.Command;

/** Measures a model. */
@Command(
        name = "evaluate",
        description = "Measure a model.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "retrieval|patchdis|sparsity",
        subcommands = {RetrievalCommand.class, PatchDisCommand.class, SparsityCommand.class})
final class EvaluateCommand {}
