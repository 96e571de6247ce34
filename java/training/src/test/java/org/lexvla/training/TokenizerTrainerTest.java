package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.model.Prompt;
import org.lexvla.model.Tokenizer;

/** What is learned is read back by the tokenizers library. */
class TokenizerTrainerTest {
    private static final List<String> CAPTIONS =
            List.of("a red boat on the sea", "two red boats", "a picture of a boat in the snow, at night", "red sea");

    @TempDir
    Path directory;

    @Test
    void frequentWordsAreOnePieceWithAndWithoutTheirMark() throws IOException {
        int tokens = learn(CAPTIONS, 500);
        try (Tokenizer tokenizer = Tokenizer.load(directory)) {
            assertThat(tokenizer.size()).isEqualTo(tokens).isLessThanOrEqualTo(500);
            for (String word : List.of("red", "boat", "sea", "the")) {
                assertThat(pieces(tokenizer, word)).containsExactly("▁" + word);
                assertThat(pieces(tokenizer, "\"" + word + "\"")).contains(word);
            }
            assertThat(pieces(tokenizer, "a red boat")).containsExactly("▁a", "▁red", "▁boat");
        }
    }

    @Test
    void idsAndBeginningAreThoseOfLlama() throws IOException {
        learn(CAPTIONS, 400);
        try (Tokenizer tokenizer = Tokenizer.load(directory)) {
            assertThat(tokenizer.bos()).isEqualTo(1);
            assertThat(tokenizer.tokens().get(0).piece()).isEqualTo("<unk>");
            assertThat(tokenizer.tokens().get(3).piece()).isEqualTo("<0x00>");
            assertThat(tokenizer.tokens().get(258).piece()).isEqualTo("<0xFF>");
            assertThat(tokenizer.tokens().get(3).meaningful()).isFalse();
        }
    }

    @Test
    void anyTextComesBack() throws IOException {
        learn(CAPTIONS, 400);
        try (Tokenizer tokenizer = Tokenizer.load(directory)) {
            for (String text : List.of("a red boat", "größer 🦊 than  life", "Zebra-crossing: 42 %", "two\tboats")) {
                assertThat(tokenizer.decode(tokenizer.encode(text))).isEqualTo(text);
            }
            int[] prompt = Prompt.standard().ids("a red boat", tokenizer);
            assertThat(prompt[0]).isEqualTo(1);
            assertThat(prompt.length).isGreaterThan(10);
        }
    }

    @Test
    void sameTextsInAnyOrderGiveTheSameBytes() throws IOException {
        learn(CAPTIONS, 400);
        byte[] first = Files.readAllBytes(directory.resolve("tokenizer.json"));
        learn(List.of(CAPTIONS.get(3), CAPTIONS.get(1), CAPTIONS.get(0), CAPTIONS.get(2)), 400);
        assertThat(Files.readAllBytes(directory.resolve("tokenizer.json"))).isEqualTo(first);
    }

    @Test
    void moreCharactersThanRoomFallBackToBytes() throws IOException {
        StringBuilder many = new StringBuilder();
        for (int c = 0x4E00; c < 0x4E00 + 100; c++) {
            many.append((char) c).append(' ');
        }
        assertThat(learn(List.of(many.toString()), 300)).isEqualTo(300);
        try (Tokenizer tokenizer = Tokenizer.load(directory)) {
            assertThat(tokenizer.decode(tokenizer.encode(many.toString().strip())))
                    .isEqualTo(many.toString().strip());
        }
    }

    @Test
    void nothingToLearnFrom() {
        assertThatThrownBy(() -> learn(List.of("  "), 400)).hasMessageContaining("no text");
        assertThatThrownBy(() -> new TokenizerTrainer(259)).hasMessageContaining("at least 300");
    }

    private int learn(List<String> captions, int size) throws IOException {
        TokenizerTrainer trainer = new TokenizerTrainer(size);
        captions.forEach(trainer::add);
        return trainer.save(directory);
    }

    private static List<String> pieces(Tokenizer tokenizer, String text) {
        return java.util.Arrays.stream(tokenizer.encode(text))
                .mapToObj(id -> tokenizer.tokens().get(id).piece())
                .toList();
    }
}
