package org.lexvla.server;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.lexvla.evaluation.WordCloud;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.WeightedWord;

/** The endpoints that show pictures and what the model finds in them. */
final class PictureApi {
    private static final int WORDS = 60;
    private static final int SHARES = 20;
    private static final int CLOUD = 600;
    private static final List<String> PICTURE = List.of("id", "upload");

    private final SearchApi searches;
    private final QueryVectors vectors;
    private final OpenPictures pictures;
    private final Thumbnails thumbnails;
    private final Lane model;

    PictureApi(SearchApi searches, QueryVectors vectors, OpenPictures pictures, Thumbnails thumbnails, Lane model) {
        this.searches = searches;
        this.vectors = vectors;
        this.pictures = pictures;
        this.thumbnails = thumbnails;
        this.model = model;
    }

    /** {@code GET /api/thumbnail?id=…}: a small picture. */
    CompletableFuture<Answer> thumbnail(Call call) {
        return thumbnails.get(call.parameter("id", SearchApi.MAX_ID)).thenApply(Answer::jpeg);
    }

    /** {@code GET /api/square?id=…} or {@code ?upload=…}: what the model sees of a picture. */
    CompletableFuture<Answer> square(Call call) {
        String upload = call.parameters().get("upload");
        String id = upload == null ? call.parameter("id", SearchApi.MAX_ID) : null;
        return model.submit(
                () -> Answer.jpeg((upload == null ? pictures.ofIndex(id) : pictures.uploaded(upload)).square()));
    }

    /** {@code POST /api/uploads}: takes a picture, {@code {"upload": its name from now on}}. */
    CompletableFuture<Answer> upload(Call call) {
        return model.submit(() -> Answer.json(Map.of("upload", pictures.upload(call.body()))));
    }

    /** {@code POST /api/picture}: the words of {@code id} or {@code upload}, and its score for the query in {@code query}. */
    CompletableFuture<Answer> words(Call call) {
        Fields fields = fields(call, "query");
        Fields query = fields.object("query", SearchApi.QUERY);
        CompletableFuture<SearchApi.Asked> asked =
                query == null ? CompletableFuture.completedFuture(null) : searches.asked(query);
        return asked.thenCompose(wanted -> model.submit(() -> {
            LexicalVector whole = open(fields).whole();
            Map<String, Object> answer = described(whole);
            answer.put("columns", pictures.columns());
            if (wanted != null) {
                answer.put("score", wanted.vector().dot(whole));
                answer.put("shares", wanted.vector().explain(whole, SHARES));
            }
            return Answer.json(answer);
        }));
    }

    /** {@code POST /api/region}: the words of some {@code patches}, numbered row by row. */
    CompletableFuture<Answer> region(Call call) {
        Fields fields = fields(call, "patches");
        int count = pictures.columns() * pictures.columns();
        int[] patches = fields.numbers("patches", count);
        for (int patch : patches) {
            if (patch < 0 || patch >= count) {
                throw Refusal.badRequest("there is no patch " + patch + ": they are numbered from 0 to " + (count - 1));
            }
        }
        return model.submit(() -> Answer.json(described(open(fields).found().region(patches))));
    }

    /** {@code POST /api/heat}: how well each patch fits a {@code text}, or a {@code word} without the language model. */
    CompletableFuture<Answer> heat(Call call) {
        Fields fields = fields(call, "text", "word");
        fields.requireOne(List.of("text", "word"));
        String text = fields.text("text", SearchApi.MAX_TEXT);
        String word = fields.text("word", SearchApi.MAX_TEXT);
        CompletableFuture<LexicalVector> asked = text != null ? vectors.ofText(text) : vectors.ofWord(word);
        return asked.thenCompose(vector -> model.submit(() -> {
            OpenPictures.Open picture = open(fields);
            Map<String, Object> answer = new LinkedHashMap<>();
            answer.put("heat", picture.found().heat(vector));
            if (word != null) {
                answer.put("weight", picture.whole().weight(word));
            }
            answer.put("score", vector.dot(picture.whole()));
            answer.put("shares", vector.explain(picture.whole(), SHARES));
            return Answer.json(answer);
        }));
    }

    private static Fields fields(Call call, String... more) {
        Set<String> known = new HashSet<>(PICTURE);
        known.addAll(List.of(more));
        Fields fields = Fields.parse(call.body(), known);
        fields.requireOne(PICTURE);
        fields.text("id", SearchApi.MAX_ID);
        fields.text("upload", SearchApi.MAX_ID);
        return fields;
    }

    private OpenPictures.Open open(Fields fields) {
        String id = fields.text("id", SearchApi.MAX_ID);
        return id != null ? pictures.ofIndex(id) : pictures.uploaded(fields.text("upload", SearchApi.MAX_ID));
    }

    private static Map<String, Object> described(LexicalVector vector) {
        List<WeightedWord> strongest = vector.top(WORDS);
        Map<String, Object> words = new LinkedHashMap<>();
        words.put("words", strongest);
        words.put("active", vector.active());
        words.put("cloud", WordCloud.of(strongest, CLOUD, CLOUD).toSvg());
        return words;
    }
}
