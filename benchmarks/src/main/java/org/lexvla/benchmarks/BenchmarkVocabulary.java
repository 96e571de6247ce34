package org.lexvla.benchmarks;

import java.util.ArrayList;
import java.util.List;
import org.lexvla.lexical.Token;
import org.lexvla.lexical.Vocabulary;

/** A vocabulary of any size: a, b, … z, aa, ab, … */
final class BenchmarkVocabulary {
    private BenchmarkVocabulary() {}

    static Vocabulary of(int size) {
        List<Token> tokens = new ArrayList<>();
        for (int id = 0; id < size; id++) {
            StringBuilder word = new StringBuilder("▁");
            for (int n = id + 1; n > 0; n = (n - 1) / 26) {
                word.insert(1, (char) ('a' + (n - 1) % 26));
            }
            tokens.add(new Token(id, word.toString(), true));
        }
        return Vocabulary.select(tokens, Vocabulary.Rule.standard(), null);
    }
}
