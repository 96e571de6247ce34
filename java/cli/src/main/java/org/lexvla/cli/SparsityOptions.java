package org.lexvla.cli;

import org.lexvla.lexical.Sparsification;
import org.lexvla.lexical.Vocabulary;
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
                description = "Keep the words of at least this weight (default: 1/sqrt(vocabulary)).")
        private Float threshold;
    }

    Sparsification get(Vocabulary vocabulary) {
        if (choice.topK != null) {
            return Sparsification.topK(choice.topK);
        }
        if (choice.threshold != null) {
            return Sparsification.threshold(choice.threshold);
        }
        return Sparsification.standard(vocabulary.size());
    }
}
