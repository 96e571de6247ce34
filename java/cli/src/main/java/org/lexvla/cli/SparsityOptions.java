package org.lexvla.cli;

import org.lexvla.lexical.Sparsification;
import org.lexvla.model.LexVla;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** Which entries of a representation are kept (SPEC §5). */
final class SparsityOptions {
    @ArgGroup(exclusive = true)
    private Choice choice = new Choice();

    private static final class Choice {
        @Option(names = "--top-k", paramLabel = "K", description = "Keep the K strongest words of each vector.")
        private Integer topK;

        @Option(
                names = "--threshold",
                paramLabel = "VALUE",
                description =
                        "Keep the words of at least this weight (default: what the model says, 1/sqrt(vocabulary)).")
        private Float threshold;
    }

    @Option(
            names = "--renormalize",
            negatable = true,
            description =
                    "Give every vector norm 1 again after words were dropped, or leave it (default: what the model says).")
    private Boolean renormalize;

    Sparsification get(LexVla model) {
        Sparsification own = model.config().sparsification();
        Sparsification chosen = own;
        if (choice.topK != null) {
            chosen = Sparsification.topK(choice.topK);
        } else if (choice.threshold != null) {
            chosen = Sparsification.threshold(choice.threshold);
        }
        return chosen.withRenormalize(renormalize == null ? own.renormalize() : renormalize);
    }
}
