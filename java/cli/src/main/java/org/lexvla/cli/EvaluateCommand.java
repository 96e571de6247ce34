package org.lexvla.cli;

import picocli.CommandLine.Command;

/** Measures a model. */
@Command(
        name = "evaluate",
        description = "Measure a model.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "retrieval|patchdis|sparsity|ablations",
        subcommands = {RetrievalCommand.class, PatchDisCommand.class, SparsityCommand.class, AblationsCommand.class})
final class EvaluateCommand {}
