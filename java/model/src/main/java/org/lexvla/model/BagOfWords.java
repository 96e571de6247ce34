package org.lexvla.model;

import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import opennlp.tools.postag.POSModel;
import opennlp.tools.postag.POSTagFormat;
import opennlp.tools.postag.POSTaggerME;
import org.lexvla.lexical.Vocabulary;

/**
 * Texts without a language model: the binary vector of a text's nouns, adjectives and non-auxiliary verbs, normalised
 * (SPEC §3, the BoW variant). A word stands for all its tokens that are words of the vocabulary; a text none of whose words is
 * there gives zeros.
 *
 * <p>Parts of speech are those of Universal Dependencies, told by Apache OpenNLP with its English model (trained on UD English
 * EWT; in the jar {@code opennlp-models-pos-en}, nothing is downloaded): NOUN, PROPN, ADJ, VERB. Auxiliaries are tagged AUX and
 * left out. Texts are lower-cased first, as the words of the vocabulary are.
 *
 * <p>Safe for use by several threads.
 */
final class BagOfWords {
    private static final Set<String> CONTENT = Set.of("NOUN", "PROPN", "ADJ", "VERB");
    private static final String MODEL = "/opennlp-en-ud-ewt-pos-1.3-2.5.4.bin";

    /** Words as UD cuts them: clitics apart ("does n't", "it 's"), numbers, and every other sign by itself. */
    private static final Pattern WORD =
            Pattern.compile("n't\\b|\\p{L}+?(?=n't\\b)|'(?:s|re|ve|ll|d|m)\\b|\\p{L}+|\\p{N}+|[^\\s\\p{L}\\p{N}]");

    private static final class Tagger {
        static final POSModel ENGLISH = load();

        private static POSModel load() {
            try (InputStream in = BagOfWords.class.getResourceAsStream(MODEL)) {
                if (in == null) {
                    throw new IllegalStateException(
                            "no " + MODEL + " on the class path: add org.apache.opennlp:opennlp-models-pos-en");
                }
                return new POSModel(in);
            } catch (IOException e) {
                throw new IllegalStateException("the part-of-speech model " + MODEL + " cannot be read", e);
            }
        }
    }

    private final Vocabulary vocabulary;
    private final Tokenizer tokenizer;

    BagOfWords(Vocabulary vocabulary, Tokenizer tokenizer) {
        this.vocabulary = vocabulary;
        this.tokenizer = tokenizer;
    }

    /** Nouns, adjectives and non-auxiliary verbs of an English text in their order, lower case. */
    static List<String> words(String text) {
        List<String> all = new ArrayList<>();
        Matcher matcher = WORD.matcher(text.toLowerCase(Locale.ROOT).replace('\u2019', '\''));
        while (matcher.find()) {
            all.add(matcher.group());
        }
        String[] tags = new POSTaggerME(Tagger.ENGLISH, POSTagFormat.UD).tag(all.toArray(String[]::new));
        List<String> content = new ArrayList<>();
        for (int i = 0; i < tags.length; i++) {
            if (CONTENT.contains(tags[i]) && Character.isLetter(all.get(i).codePointAt(0))) {
                content.add(all.get(i));
            }
        }
        return content;
    }

    /**
     * The vector of a text: {@code 1/√n} at each of its n words, 0 elsewhere.
     *
     * @throws IllegalArgumentException if the text is blank
     */
    float[] activations(String text) {
        if (text.isBlank()) {
            throw new IllegalArgumentException("a text to encode is empty");
        }
        float[] vector = new float[vocabulary.size()];
        int active = 0;
        for (String word : words(text)) {
            for (int token : tokenizer.encode(word)) {
                int id = vocabulary.lexicalId(token).orElse(-1);
                if (id >= 0 && vector[id] == 0) {
                    vector[id] = 1;
                    active++;
                }
            }
        }
        float weight = active == 0 ? 0 : (float) (1 / Math.sqrt(active));
        for (int id = 0; id < vector.length; id++) {
            vector[id] *= weight;
        }
        return vector;
    }
}
