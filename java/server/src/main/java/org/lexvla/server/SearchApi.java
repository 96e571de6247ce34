package org.lexvla.server;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.search.LexicalIndex;
import org.lexvla.search.LexicalSearcher;

/** The endpoints that search. */
final class SearchApi {
    static final int MAX_TEXT = 1000;
    static final int MAX_ID = 4096;
    static final int MAX_HITS = 200;
    private static final int HITS = 24;
    private static final int MAX_WORDS = 1000;
    private static final float MAX_WEIGHT = 10;
    private static final int SHARES = 6;
    private static final int QUERY_WORDS = 40;
    private static final int SUGGESTIONS = 12;
    private static final int WARM_UP = 100;
    private static final long WARM_UP_NANOS = 3_000_000_000L;
    private static final List<String> BASES = List.of("text", "upload", "like");

    /** Fields of a query. */
    static final Set<String> QUERY = Set.of("text", "upload", "like", "words", "factors");

    /**
     * What is searched with.
     *
     * @param base   of the text or picture, before it was changed by hand; null if there is none
     * @param vector what the index gets
     */
    record Asked(LexicalVector base, LexicalVector vector) {}

    private final LexicalSearcher index;
    private final QueryVectors vectors;
    private final OpenPictures pictures;
    private final Lane model;
    private final Lane search;
    private final List<String> words;

    SearchApi(LexicalSearcher index, QueryVectors vectors, OpenPictures pictures, Lane model, Lane search) {
        this.index = index;
        this.vectors = vectors;
        this.pictures = pictures;
        this.model = model;
        this.search = search;
        Vocabulary vocabulary = index.vocabulary();
        // Short ones first: who types "re" means "red" rather than "redemption".
        this.words = IntStream.range(0, vocabulary.size())
                .mapToObj(vocabulary::word)
                .distinct()
                .sorted((a, b) -> a.length() != b.length() ? a.length() - b.length() : a.compareTo(b))
                .toList();
    }

    /**
     * Searches for some words, a few times, as people will: the virtual machine compiles what it runs often, and the pages of an index
     * come from the disk when they are first read.
     *
     * @throws InterruptedException if the server is closed meanwhile
     * @throws ExecutionException   if a search fails
     */
    void warmUp() throws InterruptedException, ExecutionException {
        long end = System.nanoTime() + WARM_UP_NANOS;
        for (int i = 0; i < WARM_UP && System.nanoTime() < end; i++) {
            String text = words.get(i * 7 % words.size()) + " " + words.get(i * 13 % words.size());
            search(new Call(Map.of(), Answer.json(Map.of("text", text)).bytes()))
                    .get();
        }
    }

    /** {@code GET /api/words?start=re}: words of the vocabulary that begin so; if none does, those spelled most alike. */
    CompletableFuture<Answer> words(Call call) {
        String start = call.parameter("start", 100).toLowerCase(Locale.ROOT);
        return search.submit(() -> {
            Stream<String> begin = words.stream().filter(word -> word.startsWith(start));
            Stream<String> contain = words.stream().filter(word -> word.indexOf(start) > 0);
            List<String> found =
                    Stream.concat(begin, contain).limit(SUGGESTIONS).toList();
            boolean known = !found.isEmpty();
            return Answer.json(
                    Map.of("words", known ? found : index.vocabulary().nearest(start, SUGGESTIONS), "spelled", known));
        });
    }

    /**
     * {@code POST /api/search}: the best pictures for {@code text}, {@code upload} (a picture that was sent) or {@code like} (a
     * picture of the index), and {@code words} with weights; {@code factors} re-weight the words of the former.
     */
    CompletableFuture<Answer> search(Call call) {
        long start = System.nanoTime();
        Set<String> known = new HashSet<>(QUERY);
        known.add("k");
        Fields fields = Fields.parse(call.body(), known);
        int k = fields.number("k", HITS, 1, MAX_HITS);
        String text = fields.text("text", MAX_TEXT);
        return asked(fields)
                .thenCompose(asked -> search.submit(() -> {
                    List<Map<String, Object>> hits = new ArrayList<>();
                    for (LexicalSearcher.Hit hit : hits(asked.vector, k)) {
                        Map<String, Object> entry = new LinkedHashMap<>();
                        entry.put("id", hit.id());
                        entry.put("score", hit.score());
                        entry.put("shares", index.explain(asked.vector, hit, SHARES));
                        hits.add(entry);
                    }
                    Map<String, Object> answer = new LinkedHashMap<>();
                    answer.put("hits", hits);
                    answer.put("words", asked.base == null ? List.of() : asked.base.top(QUERY_WORDS));
                    answer.put("active", asked.base == null ? 0 : asked.base.active());
                    if (text != null) {
                        Vocabulary.Spelling spelling = index.vocabulary().spelling(text);
                        answer.put("known", spelling.known());
                        answer.put("unknown", spelling.unknown());
                    }
                    answer.put("milliseconds", (System.nanoTime() - start) / 1_000_000);
                    return Answer.json(answer);
                }));
    }

    /** An engine has its limits, such as of the number of words: whoever asks beyond is told. */
    private List<LexicalSearcher.Hit> hits(LexicalVector query, int k) throws IOException {
        try {
            return index.search(query, k);
        } catch (IllegalArgumentException e) {
            throw new Refusal(422, "the index cannot answer this: " + e.getMessage());
        }
    }

    /** The query that some fields describe. */
    CompletableFuture<Asked> asked(Fields fields) {
        String text = fields.text("text", MAX_TEXT);
        String upload = fields.text("upload", MAX_ID);
        String like = fields.text("like", MAX_ID);
        Map<String, Float> added = fields.weights("words", MAX_WORDS, MAX_WEIGHT);
        Map<String, Float> factors = fields.weights("factors", MAX_WORDS, MAX_WEIGHT);
        if (Stream.of(text, upload, like).filter(base -> base != null).count() > 1) {
            throw Refusal.badRequest("give at most one of " + String.join(", ", BASES));
        }
        CompletableFuture<LexicalVector> base;
        if (text != null) {
            base = vectors.ofText(text);
        } else if (upload != null) {
            base = model.submit(() -> pictures.uploaded(upload).whole());
        } else if (like != null) {
            base = vectorOf(like);
        } else if (!added.isEmpty()) {
            base = CompletableFuture.completedFuture(null);
        } else {
            throw Refusal.badRequest("nothing to look for: give words, or one of " + String.join(", ", BASES));
        }
        return base.thenApply(vector -> new Asked(vector, vectors.adjusted(vector, factors, added)));
    }

    /** The vector of an item: from the index where it keeps vectors, else what the model finds in the picture. */
    CompletableFuture<LexicalVector> vectorOf(String id) {
        if (index instanceof LexicalIndex exact) {
            try {
                return CompletableFuture.completedFuture(exact.vector(id));
            } catch (IllegalArgumentException e) {
                throw OpenPictures.noPicture();
            }
        }
        return model.submit(() -> pictures.ofIndex(id).whole());
    }
}
