package org.lexvla.server;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Vocabulary;

/** Makes vectors of what people ask for. Texts that were asked lately are not encoded again: who moves a slider asks the same text. */
final class QueryVectors {
    private static final int REMEMBERED = 512;
    private static final int SUGGESTED = 5;

    private final Lane model;
    private final Vocabulary vocabulary;
    private final Function<String, LexicalBatch> texts;
    private final Function<String, LexicalBatch> words;
    private final Map<String, LexicalVector> lately = new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, LexicalVector> eldest) {
            return size() > REMEMBERED;
        }
    };

    /**
     * @param model where the functions are called
     * @param texts encodes a text
     * @param words encodes a word of the vocabulary
     */
    QueryVectors(
            Lane model,
            Vocabulary vocabulary,
            Function<String, LexicalBatch> texts,
            Function<String, LexicalBatch> words) {
        this.model = model;
        this.vocabulary = vocabulary;
        this.texts = texts;
        this.words = words;
    }

    /** The vector of a text. */
    CompletableFuture<LexicalVector> ofText(String text) {
        return remembered("text " + text, () -> texts.apply(text));
    }

    /**
     * The vector of a word by itself.
     *
     * @throws Refusal if the vocabulary lacks it
     */
    CompletableFuture<LexicalVector> ofWord(String word) {
        known(word);
        return remembered("word " + word, () -> words.apply(word));
    }

    private interface Encoding {
        LexicalBatch encode();
    }

    private CompletableFuture<LexicalVector> remembered(String key, Encoding encoding) {
        synchronized (lately) {
            LexicalVector known = lately.get(key);
            if (known != null) {
                return CompletableFuture.completedFuture(known);
            }
        }
        return model.submit(() -> {
            try (LexicalBatch batch = encoding.encode()) {
                LexicalVector vector = batch.get(0);
                synchronized (lately) {
                    lately.put(key, vector);
                }
                return vector;
            }
        });
    }

    /**
     * A vector changed by hand.
     *
     * @param base    what to start with; null: nothing
     * @param factors for words of the base what their weights are multiplied with; 0 switches a word off
     * @param added   words with their weights, which take the place of the base's
     * @throws Refusal if the vocabulary lacks a word
     */
    LexicalVector adjusted(LexicalVector base, Map<String, Float> factors, Map<String, Float> added) {
        SortedMap<Integer, Float> weights = new TreeMap<>();
        if (base != null) {
            int[] ids = base.ids();
            float[] values = base.weights();
            for (int i = 0; i < ids.length; i++) {
                weights.put(ids[i], values[i] * factors.getOrDefault(vocabulary.word(ids[i]), 1f));
            }
        }
        added.forEach((word, weight) -> {
            for (int id : known(word)) {
                weights.put(id, weight);
            }
        });
        weights.values().removeIf(weight -> weight == 0);
        return LexicalVector.of(vocabulary, weights);
    }

    private int[] known(String word) {
        int[] ids = vocabulary.lexicalIds(word);
        if (ids.length == 0) {
            throw new Refusal(
                    400,
                    "\"" + Fields.shortened(word) + "\" is not among the " + vocabulary.size()
                            + " words of the vocabulary",
                    vocabulary.nearest(Fields.shortened(word), SUGGESTED));
        }
        return ids;
    }
}
