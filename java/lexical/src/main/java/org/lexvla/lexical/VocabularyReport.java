package org.lexvla.lexical;

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * What a {@link Vocabulary.Rule} makes of every token of a tokenizer: which are kept, which are dropped, and why. To be
 * looked at before a long training, since the words cannot be changed after it.
 */
public final class VocabularyReport {
    /** Why a token is no word; the first that holds, in this order. */
    public enum Reason {
        /** A special, control, unknown, unused or byte token. */
        NOT_TEXT("special, control, unknown, unused or byte token"),
        /** Letters, but not all of them lower case. */
        UPPER_CASE("has upper-case letters"),
        /** Something besides the letters A to z; nothing at all after the word mark, too. */
        OTHER_CHARACTERS("has characters other than letters, or none"),
        /** It occurs less often than the rule asks. */
        RARE("too rare in the captions");

        private final String text;

        Reason(String text) {
            this.text = text;
        }

        /** The reason in words. */
        public String text() {
            return text;
        }
    }

    /**
     * A token and what became of it.
     *
     * @param token  the token
     * @param count  its occurrences in the training captions; −1 if none were counted
     * @param reason why it was dropped; null if it was kept
     */
    public record Entry(Token token, long count, Reason reason) {}

    private final List<Entry> entries;

    private VocabularyReport(List<Entry> entries) {
        this.entries = entries;
    }

    /**
     * Applies a rule to tokens, as {@link Vocabulary#select} does.
     *
     * @param countsByTokenId may be null if the rule has no count
     * @throws IllegalArgumentException as {@link Vocabulary#select}, but not if nothing is kept
     */
    public static VocabularyReport of(List<Token> tokens, Vocabulary.Rule rule, long[] countsByTokenId) {
        List<Entry> entries = new ArrayList<>(tokens.size());
        each(tokens, rule, countsByTokenId, (token, count, reason) -> entries.add(new Entry(token, count, reason)));
        return new VocabularyReport(Collections.unmodifiableList(entries));
    }

    @FunctionalInterface
    interface Visitor {
        void visit(Token token, long count, Reason reason);
    }

    /** Every token with the rule's verdict, in the order of ids. */
    static void each(List<Token> tokens, Vocabulary.Rule rule, long[] countsByTokenId, Visitor visitor) {
        if (rule.minCount() > 0 && countsByTokenId == null) {
            throw new IllegalArgumentException("the rule asks for at least " + rule.minCount()
                    + " occurrences, but no counts are given: count the tokens of the captions, or take minCount 0");
        }
        Token[] sorted = tokens.toArray(new Token[0]);
        Arrays.sort(sorted, (a, b) -> Integer.compare(a.id(), b.id()));
        for (int i = 0; i < sorted.length; i++) {
            Token token = sorted[i];
            if (i > 0 && sorted[i - 1].id() == token.id()) {
                throw new IllegalArgumentException("the tokens '" + sorted[i - 1].piece() + "' and '" + token.piece()
                        + "' have the same id " + token.id());
            }
            long count =
                    countsByTokenId != null && token.id() < countsByTokenId.length ? countsByTokenId[token.id()] : -1;
            Reason reason = rule.dropped(token, count);
            if (reason == Reason.RARE && count < 0) {
                throw new IllegalArgumentException("there are counts of " + countsByTokenId.length
                        + " token ids, but token '" + token.piece() + "' has id " + token.id());
            }
            visitor.visit(token, count, reason);
        }
    }

    /** All tokens in the order of their ids. */
    public List<Entry> entries() {
        return entries;
    }

    /** How many tokens are words. */
    public int kept() {
        return (int) entries.stream().filter(entry -> entry.reason() == null).count();
    }

    /** How many tokens were dropped for each reason; every reason has a number. */
    public Map<Reason, Integer> dropped() {
        Map<Reason, Integer> numbers = new EnumMap<>(Reason.class);
        for (Reason reason : Reason.values()) {
            numbers.put(reason, 0);
        }
        for (Entry entry : entries) {
            if (entry.reason() != null) {
                numbers.merge(entry.reason(), 1, Integer::sum);
            }
        }
        return numbers;
    }

    /**
     * Writes a table, a line for each token: its id, {@code kept} or {@code dropped}, its piece, its occurrences (empty if none
     * were counted) and the reason, separated by tabs under a header. Beside the file first, then renamed over it.
     */
    public void write(Path tsv) throws IOException {
        try (ReplacedFile file = ReplacedFile.of(tsv)) {
            try (BufferedWriter out = Files.newBufferedWriter(file.temporary())) {
                out.write("id\tverdict\tpiece\tcount\treason\n");
                for (Entry entry : entries) {
                    out.write(entry.token().id() + "\t" + (entry.reason() == null ? "kept" : "dropped") + "\t"
                            + oneLine(entry.token().piece()) + "\t" + (entry.count() < 0 ? "" : entry.count()) + "\t"
                            + (entry.reason() == null ? "" : entry.reason().text()) + "\n");
                }
            }
            file.commit();
        }
    }

    /** A piece may be a tab or the end of a line. */
    private static String oneLine(String piece) {
        return piece.replace("\\", "\\\\")
                .replace("\t", "\\t")
                .replace("\n", "\\n")
                .replace("\r", "\\r");
    }
}
