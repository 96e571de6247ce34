package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Sparsification;

class BagOfWordsTest {
    @TempDir
    Path directory;

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "The man is riding a white horse. | man riding white horse",
                "A plate with food that has been eaten | plate food eaten",
                "a dog that does not want to swim | dog want swim",
                "a dog that doesn't swim | dog swim",
                "people have a picnic | people have picnic",
                "It's a small white dog, and it can run! | small white dog run",
                "two red boats are on the blue lake | red boats blue lake",
                "BLACK AND WHITE PHOTO OF AN OLD TRAIN | black white photo old train",
                "of the | ''"
            })
    void contentWordsAreNounsAdjectivesAndVerbsThatAreNoAuxiliaries(String text, String expected) {
        assertThat(String.join(" ", BagOfWords.words(text))).isEqualTo(expected);
    }

    private static float[] dense(LexicalVector vector, LexVla model) {
        float[] dense = new float[model.vocabulary().size()];
        for (int i = 0; i < vector.ids().length; i++) {
            dense[vector.ids()[i]] = vector.weights()[i];
        }
        return dense;
    }

    @Test
    void aTextIsItsWordsAllAlike() throws IOException {
        Path vision = TinyModel.vision(directory.resolve("vision"), 1);
        Path text = TinyModel.text(directory.resolve("text"), 2);
        InitOptions options = InitOptions.standard().withTextSide(TextSide.BAG_OF_WORDS);
        Path saved = directory.resolve("model");
        List<String> texts = List.of("The white horse is riding a horse.", "of the", "a dog on the green grass");
        float[] first;
        try (LexVla model = LexVla.init(vision, text, options)) {
            model.save(saved);
            assertThat(model.trained().keySet()).noneMatch(name -> name.startsWith(ModelDirectory.LORA));
            try (LexicalBatch batch = model.encodeTexts(texts, Sparsification.dense())) {
                first = dense(batch.get(0), model);
                assertThat(dense(batch.get(1), model)).containsOnly(0);
            }
            Set<Integer> expected = new TreeSet<>();
            for (String word : List.of("white", "horse", "riding")) {
                for (int token : model.tokenizer().encode(word)) {
                    model.vocabulary().lexicalId(token).ifPresent(expected::add);
                }
            }
            assertThat(expected).hasSizeGreaterThanOrEqualTo(3);
            for (int id = 0; id < first.length; id++) {
                assertThat((double) first[id])
                        .as(model.vocabulary().word(id))
                        .isCloseTo(expected.contains(id) ? 1 / Math.sqrt(expected.size()) : 0, within(1e-7));
            }
            assertThatIllegalArgumentException().isThrownBy(() -> model.encodeTexts(List.of(" ")));
        }
        try (LexVla model = LexVla.load(saved, Device.cpu());
                LexicalBatch batch = model.encodeTexts(texts, Sparsification.dense())) {
            assertThat(model.config().textSide()).isEqualTo(TextSide.BAG_OF_WORDS);
            assertThat(dense(batch.get(0), model)).isEqualTo(first);
        }
    }
}
