package org.lexvla.lexical;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.regex.Pattern;

/**
 * The words of a lexical representation: those tokens of a tokenizer that mean something by themselves (SPEC §1).
 *
 * <p>A lexical id, 0 to {@link #size()} − 1, is an entry of a lexical vector; a token id is a row of the language
 * model's output matrix. Lexical ids follow the order of the token ids. Both maps are stored with a model.
 *
 * <p>{@link #piece} is the token's text with its word mark ({@code ▁horse}), {@link #word} what is shown to people
 * ({@code horse}); {@code ▁horse} and {@code horse} are two entries that are shown as one word.
 *
 * <p>Immutable, safe for use by several threads. Two vocabularies are equal iff their {@link #fingerprint}s are.
 */
public final class Vocabulary {
    private static final int FORMAT = 1;
    private static final int NEAREST = 3;
    /** Each is compared with every word. */
    private static final int MOST_UNKNOWN = 5;

    private static final Pattern NO_LETTER = Pattern.compile("\\P{L}+");
    private static final ObjectMapper JSON = new ObjectMapper();

    /**
     * Which tokens are kept. Always: the token is meaningful, and its text without one leading word mark is one or more
     * of the letters a to z.
     *
     * @param punctuationAndDigits keeps also single ASCII punctuation characters and digits
     * @param upperCase            keeps also A to Z
     * @param minCount             keeps only what occurs at least so often in the tokenised, lower-cased training captions;
     *                             0: all
     */
    public record Rule(boolean punctuationAndDigits, boolean upperCase, int minCount) {
        private static final Pattern LOWER = Pattern.compile("[a-z]+");
        private static final Pattern LETTERS = Pattern.compile("[A-Za-z]+");
        private static final Pattern SINGLE = Pattern.compile("[0-9\\p{Punct}]");

        public Rule {
            if (minCount < 0) {
                throw new IllegalArgumentException("minCount is " + minCount + ", must be at least 0");
            }
        }

        /** Lower-case letters only, no count: keeps 17,234 of the 32,000 tokens of Llama 2. */
        public static Rule standard() {
            return new Rule(false, false, 0);
        }

        /**
         * Why a token is no word, or null if it is one.
         *
         * @param count its occurrences; of no account if {@code minCount} is 0
         */
        VocabularyReport.Reason dropped(Token token, long count) {
            String word = unmarked(token.piece());
            if (!token.meaningful()) {
                return VocabularyReport.Reason.NOT_TEXT;
            }
            boolean kept = (upperCase ? LETTERS : LOWER).matcher(word).matches()
                    || (punctuationAndDigits && SINGLE.matcher(word).matches());
            if (!kept) {
                return LETTERS.matcher(word).matches()
                        ? VocabularyReport.Reason.UPPER_CASE
                        : VocabularyReport.Reason.OTHER_CHARACTERS;
            }
            return minCount > 0 && count < minCount ? VocabularyReport.Reason.RARE : null;
        }
    }

    private final int[] tokenIds;
    private final String[] pieces;
    private final String[] words;
    private final Map<Integer, Integer> lexicalIds = new HashMap<>();
    private final Map<String, int[]> spellings = new HashMap<>();
    private final String fingerprint;

    private Vocabulary(int[] tokenIds, String[] pieces) {
        this.tokenIds = tokenIds;
        this.pieces = pieces;
        this.words = new String[pieces.length];
        for (int id = 0; id < pieces.length; id++) {
            words[id] = unmarked(pieces[id]);
            lexicalIds.put(tokenIds[id], id);
            int[] same = spellings.getOrDefault(words[id], new int[0]);
            same = Arrays.copyOf(same, same.length + 1);
            same[same.length - 1] = id;
            spellings.put(words[id], same);
        }
        this.fingerprint = digest(tokenIds, pieces);
    }

    /**
     * Applies the rule to the tokens of a tokenizer.
     *
     * @param tokens          in any order; ids are unique
     * @param countsByTokenId occurrences in the training captions, at the token's id; may be null if the rule has no count
     * @throws IllegalArgumentException if two tokens have one id, the counts do not reach to the highest id, or nothing is kept
     */
    public static Vocabulary select(List<Token> tokens, Rule rule, long[] countsByTokenId) {
        List<Token> kept = new ArrayList<>();
        VocabularyReport.each(tokens, rule, countsByTokenId, (token, count, reason) -> {
            if (reason == null) {
                kept.add(token);
            }
        });
        if (kept.isEmpty()) {
            throw new IllegalArgumentException("none of the " + tokens.size() + " tokens fits " + rule
                    + ": lower minCount, or allow upper case, punctuation and digits");
        }
        return new Vocabulary(
                kept.stream().mapToInt(Token::id).toArray(),
                kept.stream().map(Token::piece).toArray(String[]::new));
    }

    /** V, the number of words. */
    public int size() {
        return tokenIds.length;
    }

    /** The token's text with its word mark. */
    public String piece(int lexicalId) {
        return pieces[checked(lexicalId)];
    }

    /** The word shown to people: the piece without its word mark. */
    public String word(int lexicalId) {
        return words[checked(lexicalId)];
    }

    /** The token of a word: its row in the language model's output matrix. */
    public int tokenId(int lexicalId) {
        return tokenIds[checked(lexicalId)];
    }

    /** The tokens of all words, ascending: element i is the token of lexical id i. */
    public int[] tokenIds() {
        return tokenIds.clone();
    }

    /** The word of a token, or nothing if the token was not kept. */
    public OptionalInt lexicalId(int tokenId) {
        Integer id = lexicalIds.get(tokenId);
        return id == null ? OptionalInt.empty() : OptionalInt.of(id);
    }

    /** The entries that are shown as this word, ascending: those of {@code ▁horse} and {@code horse}; empty if there is none. */
    public int[] lexicalIds(String word) {
        return spellings.getOrDefault(word, new int[0]).clone();
    }

    /**
     * As {@link #lexicalIds}, for a word that somebody has typed.
     *
     * @throws IllegalArgumentException if no entry is shown as this word, naming the nearest words
     */
    public int[] requireWord(String word) {
        int[] ids = lexicalIds(word);
        if (ids.length == 0) {
            throw new IllegalArgumentException("\"" + word + "\" is not among the " + size()
                    + " words of the vocabulary, the nearest are " + String.join(", ", nearest(word, NEAREST)));
        }
        return ids;
    }

    /** The words that are spelled most alike, by {@link EditDistance}, then in the order of the alphabet; each once. */
    public List<String> nearest(String word, int n) {
        record Near(String word, int distance) {}
        return spellings.keySet().stream()
                .map(known -> new Near(known, EditDistance.between(word, known)))
                .sorted(Comparator.comparingInt(Near::distance).thenComparing(Near::word))
                .limit(n)
                .map(Near::word)
                .toList();
    }

    /**
     * Which words of a text the vocabulary has: runs of at least two letters, as they are written or in lower case. A word that it lacks
     * may still be made of pieces that it has, so that a language model understands it.
     */
    public Spelling spelling(String text) {
        int known = 0;
        Map<String, List<String>> unknown = new LinkedHashMap<>();
        for (String word : NO_LETTER.split(text)) {
            if (word.codePointCount(0, word.length()) < 2) {
                continue;
            }
            String lower = word.toLowerCase(Locale.ROOT);
            if (spellings.containsKey(word) || spellings.containsKey(lower)) {
                known++;
            } else if (unknown.size() < MOST_UNKNOWN && !unknown.containsKey(lower)) {
                unknown.put(lower, nearest(lower, NEAREST));
            }
        }
        return new Spelling(known, unknown);
    }

    /**
     * The words of a text, against a vocabulary.
     *
     * @param known   how many of them it has
     * @param unknown the first few that it lacks, in lower case and in their order, each with the words that are spelled most alike
     */
    public record Spelling(int known, Map<String, List<String>> unknown) {
        public Spelling {
            unknown = Collections.unmodifiableMap(new LinkedHashMap<>(unknown));
        }

        /** Whether the vocabulary has not one word of the text. */
        public boolean strange() {
            return known == 0;
        }
    }

    /**
     * SHA-256 over the token ids and pieces, in order, as 64 hexadecimal digits. Vectors, indexes and models carry it, and
     * are refused where another is expected.
     */
    public String fingerprint() {
        return fingerprint;
    }

    /**
     * Writes the vocabulary as JSON: beside the file first, then renamed over it.
     *
     * @throws IOException if the file cannot be written
     */
    public void save(Path json) throws IOException {
        ObjectNode root = JSON.createObjectNode();
        root.put("format", FORMAT);
        root.put("fingerprint", fingerprint);
        ArrayNode ids = root.putArray("token_ids");
        ArrayNode texts = root.putArray("pieces");
        for (int i = 0; i < tokenIds.length; i++) {
            ids.add(tokenIds[i]);
            texts.add(pieces[i]);
        }
        try (ReplacedFile file = ReplacedFile.of(json)) {
            Files.write(file.temporary(), JSON.writeValueAsBytes(root));
            file.commit();
        }
    }

    /**
     * Reads what {@link #save} wrote.
     *
     * @throws IOException if the file is missing, not a vocabulary, or not what its fingerprint says
     */
    public static Vocabulary load(Path json) throws IOException {
        JsonNode root;
        try {
            root = JSON.readTree(Files.readAllBytes(json));
        } catch (NoSuchFileException e) {
            throw new IOException("no vocabulary at " + json, e);
        } catch (JsonProcessingException e) {
            throw new IOException(json + " is not JSON, perhaps cut short: " + e.getOriginalMessage(), e);
        }
        int format = root.path("format").asInt(-1);
        if (format != FORMAT) {
            throw new IOException(json + " is not a vocabulary of format " + FORMAT + ", but has format "
                    + (format == -1 ? "none" : Integer.toString(format)));
        }
        JsonNode ids = root.path("token_ids");
        JsonNode texts = root.path("pieces");
        if (!ids.isArray() || !texts.isArray() || ids.size() != texts.size() || ids.isEmpty()) {
            throw new IOException(json + " has " + ids.size() + " token_ids and " + texts.size()
                    + " pieces: must be as many, and some");
        }
        int[] tokenIds = new int[ids.size()];
        String[] pieces = new String[ids.size()];
        for (int i = 0; i < tokenIds.length; i++) {
            if (!ids.get(i).isInt() || !texts.get(i).isTextual()) {
                throw new IOException(json + ": entry " + i + " is not a token id and a piece");
            }
            tokenIds[i] = ids.get(i).intValue();
            pieces[i] = texts.get(i).textValue();
            if (tokenIds[i] < 0 || (i > 0 && tokenIds[i] <= tokenIds[i - 1])) {
                throw new IOException(
                        json + ": token id " + tokenIds[i] + " at entry " + i + " is not above the one before");
            }
        }
        Vocabulary vocabulary = new Vocabulary(tokenIds, pieces);
        String recorded = root.path("fingerprint").asText("");
        if (!recorded.equals(vocabulary.fingerprint)) {
            throw new IOException(json + " was changed after it was written: its contents have the fingerprint "
                    + vocabulary.fingerprint + ", it says '" + recorded + "'");
        }
        return vocabulary;
    }

    @Override
    public boolean equals(Object other) {
        return this == other || (other instanceof Vocabulary that && fingerprint.equals(that.fingerprint));
    }

    @Override
    public int hashCode() {
        return fingerprint.hashCode();
    }

    /** Such as {@code 17234 words, ▁t to ▁ż (1f3a…)}. */
    @Override
    public String toString() {
        return size() + " words, " + pieces[0] + " to " + pieces[pieces.length - 1] + " (" + fingerprint.substring(0, 8)
                + ")";
    }

    /** Refuses vectors of another vocabulary. */
    void requireSame(Vocabulary other, String what) {
        if (!equals(other)) {
            throw new IllegalArgumentException(what + " has another vocabulary: " + other + " instead of " + this
                    + "; encode it with the same model");
        }
    }

    /**
     * For each display word of the entries, one weight; {@code sum} adds those of equal words (shares of a score), else the
     * largest is taken. Sorted by falling weight, then by entry.
     */
    List<WeightedWord> display(int[] ids, float[] weights, int n, boolean sum) {
        if (n < 0) {
            throw new IllegalArgumentException("cannot list " + n + " words");
        }
        Map<String, Float> merged = new LinkedHashMap<>();
        for (int i = 0; i < ids.length; i++) {
            merged.merge(words[ids[i]], weights[i], sum ? Float::sum : Math::max);
        }
        return merged.entrySet().stream()
                .map(entry -> new WeightedWord(entry.getKey(), entry.getValue()))
                .sorted((a, b) -> Float.compare(b.weight(), a.weight()))
                .limit(n)
                .toList();
    }

    private int checked(int lexicalId) {
        if (lexicalId < 0 || lexicalId >= tokenIds.length) {
            throw new IndexOutOfBoundsException(
                    "lexical id " + lexicalId + " is outside the " + tokenIds.length + " words");
        }
        return lexicalId;
    }

    /** Without one leading word mark: U+2581 of SentencePiece, U+0120 of byte-level BPE. */
    private static String unmarked(String piece) {
        boolean marked = !piece.isEmpty() && (piece.charAt(0) == '\u2581' || piece.charAt(0) == '\u0120');
        return marked ? piece.substring(1) : piece;
    }

    /** Over id, length and UTF-8 of each piece; the lengths keep "ab","c" apart from "a","bc". */
    private static String digest(int[] tokenIds, String[] pieces) {
        try {
            MessageDigest sha = MessageDigest.getInstance("SHA-256");
            for (int i = 0; i < tokenIds.length; i++) {
                byte[] text = pieces[i].getBytes(StandardCharsets.UTF_8);
                sha.update(ByteBuffer.allocate(2 * Integer.BYTES)
                        .putInt(tokenIds[i])
                        .putInt(text.length)
                        .array());
                sha.update(text);
            }
            return HexFormat.of().formatHex(sha.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java runtime has SHA-256", e);
        }
    }
}
