package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.lexvla.lexical.Token;
import org.lexvla.testing.RandomSource;
import org.lexvla.testing.Seeded;

@Seeded
class TokenizerTest {
    private static final int SIZE = 571;

    @TempDir
    Path directory;

    private Tokenizer tiny(String file) throws IOException {
        return Tokenizer.load(TinyTokenizer.install(directory, file, TinyTokenizer.CONFIG));
    }

    private static List<String> pieces(Tokenizer tokenizer, String text) {
        return Arrays.stream(tokenizer.encode(text))
                .mapToObj(id -> tokenizer.tokens().get(id).piece())
                .toList();
    }

    @ParameterizedTest
    @ValueSource(strings = {TinyTokenizer.JSON, TinyTokenizer.MODEL})
    void textsBecomePiecesAndBack(String file) throws IOException {
        try (Tokenizer tokenizer = tiny(file)) {
            assertThat(tokenizer.size()).isEqualTo(SIZE);
            assertThat(tokenizer.bos()).isEqualTo(1);
            assertThat(pieces(tokenizer, "a white horse")).containsExactly("▁a", "▁white", "▁horse");
            assertThat(pieces(tokenizer, " the")).containsExactly("▁", "▁the");
            assertThat(pieces(tokenizer, "é")).containsExactly("▁", "<0xC3>", "<0xA9>");
            assertThat(tokenizer.encode("")).isEmpty();
            for (String text : List.of(
                    "a red fox in the snow.", "two  spaces", " leading", "naïve café", "😀 snow ☃", "line\nline")) {
                assertThat(tokenizer.decode(tokenizer.encode(text))).isEqualTo(text);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {TinyTokenizer.JSON, TinyTokenizer.MODEL})
    void onlyPiecesOfTextAreMeaningful(String file) throws IOException {
        try (Tokenizer tokenizer = tiny(file)) {
            assertThat(tokenizer.tokens())
                    .extracting(Token::id)
                    .isSorted()
                    .doesNotHaveDuplicates()
                    .hasSize(SIZE);
            assertThat(tokenizer.tokens())
                    .filteredOn(token -> !token.meaningful())
                    .extracting(Token::id)
                    .as("<unk>, <s>, </s> and 256 bytes")
                    .hasSize(259)
                    .endsWith(258);
            assertThat(tokenizer.tokens()).contains(new Token(tokenizer.encode("horse")[0], "▁horse", true));
        }
    }

    @Test
    void bothFormatsAgree(RandomSource random) throws IOException {
        String letters = "abcdefghijklmnopqrstuvwxyz    .,\"the red boat horseéß☃😀\n\tZ%";
        int[] characters = letters.codePoints().toArray();
        try (Tokenizer json = tiny(TinyTokenizer.JSON);
                Tokenizer model = SentencePieceTokenizer.open(
                        TinyTokenizer.install(directory, TinyTokenizer.MODEL).resolve(TinyTokenizer.MODEL))) {
            assertThat(model.tokens()).isEqualTo(json.tokens());
            for (int round = 0; round < 500; round++) {
                StringBuilder text = new StringBuilder();
                for (int i = random.nextInt(40); i >= 0; i--) {
                    text.appendCodePoint(characters[random.nextInt(characters.length)]);
                }
                assertThat(model.encode(text.toString())).as("'" + text + "'").isEqualTo(json.encode(text.toString()));
                int[] ids = json.encode(text.toString());
                assertThat(model.decode(ids)).isEqualTo(text.toString());
                assertThat(json.decode(ids)).isEqualTo(text.toString());
            }
        }
    }

    @Test
    void severalThreadsMayEncode() throws Exception {
        try (Tokenizer tokenizer = tiny(TinyTokenizer.JSON)) {
            int[] expected = tokenizer.encode("a small white dog runs over the green grass");
            ExecutorService threads = Executors.newFixedThreadPool(4);
            try {
                List<Callable<int[]>> calls = new ArrayList<>();
                for (int i = 0; i < 200; i++) {
                    calls.add(() -> tokenizer.encode("a small white dog runs over the green grass"));
                }
                for (Future<int[]> result : threads.invokeAll(calls)) {
                    assertThat(result.get()).isEqualTo(expected);
                }
            } finally {
                threads.shutdownNow();
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {TinyTokenizer.JSON, TinyTokenizer.MODEL})
    void wrongUseIsAnError(String file) throws IOException {
        Tokenizer tokenizer = tiny(file);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> tokenizer.decode(new int[] {SIZE}))
                .withMessageContaining("571 is not in [0, 571)");
        tokenizer.close();
        tokenizer.close();
        assertThatIllegalStateException()
                .isThrownBy(() -> tokenizer.encode("a"))
                .withMessageContaining("closed");
        assertThatIllegalStateException()
                .isThrownBy(() -> tokenizer.decode(new int[] {5}))
                .withMessageContaining("closed");
    }

    @Test
    void theBeginningIsLookedForWhereUpstreamPutsIt() throws IOException {
        TinyTokenizer.install(directory, TinyTokenizer.JSON);
        Path config = directory.resolve("config.json");
        assertThat(bos()).as("the piece <s>").isEqualTo(1);
        Files.writeString(config, "{\"bos_token_id\": 7}");
        assertThat(bos()).as("config.json").isEqualTo(7);
        Files.writeString(directory.resolve("special_tokens_map.json"), "{\"bos_token\": \"</s>\"}");
        assertThat(bos()).as("special_tokens_map.json").isEqualTo(2);
        TinyTokenizer.install(directory, TinyTokenizer.CONFIG);
        assertThat(bos()).as("tokenizer_config.json").isEqualTo(1);
        Files.writeString(directory.resolve(TinyTokenizer.CONFIG), "{\"bos_token\": \"<begin>\"}");
        assertThatIOException().isThrownBy(this::bos).withMessageContaining("<begin>");
        Files.writeString(directory.resolve(TinyTokenizer.CONFIG), "{}");
        Files.delete(directory.resolve("special_tokens_map.json"));
        Files.writeString(config, "{\"bos_token_id\": 571}");
        assertThatIOException().isThrownBy(this::bos).withMessageContaining("bos_token_id 571");
    }

    private int bos() throws IOException {
        try (Tokenizer tokenizer = Tokenizer.load(directory)) {
            return tokenizer.bos();
        }
    }

    @Test
    void missingAndDamagedFilesAreNamed() throws IOException {
        assertThatIOException()
                .isThrownBy(() -> Tokenizer.load(directory))
                .withMessageContaining("tokenizer.json or tokenizer.model");
        Path model = directory.resolve(TinyTokenizer.MODEL);
        TinyTokenizer.install(directory, TinyTokenizer.MODEL);
        byte[] whole = Files.readAllBytes(model);
        Files.write(model, Arrays.copyOf(whole, 100));
        assertThatIOException().isThrownBy(() -> Tokenizer.load(directory)).withMessageContaining(model.toString());
        Files.write(model, new byte[0]);
        assertThatIOException().isThrownBy(() -> Tokenizer.load(directory)).withMessageContaining("no pieces");
        Path json = directory.resolve(TinyTokenizer.JSON);
        Files.writeString(json, "{\"model\":{\"vocab\":{}}}");
        assertThatIOException().isThrownBy(() -> Tokenizer.load(directory)).withMessageContaining("no model.vocab");
        Files.writeString(json, "{\"model\":{\"vocab\":{\"a\":0,\"b\":2000000000}}}");
        assertThatIOException().isThrownBy(() -> Tokenizer.load(directory)).withMessageContaining("2000000000");
        Files.writeString(json, "{\"model\":{\"vocab\":{\"<s>\":0}}}");
        assertThatIOException().isThrownBy(() -> Tokenizer.load(directory)).withMessageContaining("not accepted");
        Files.writeString(json, "{");
        assertThatIOException().isThrownBy(() -> Tokenizer.load(directory)).withMessageContaining(json.toString());
    }

    @Test
    void damagedSentencePieceFilesNeverDoMoreThanFail(RandomSource random) throws IOException {
        TinyTokenizer.install(directory, TinyTokenizer.MODEL);
        byte[] whole = Files.readAllBytes(directory.resolve(TinyTokenizer.MODEL));
        int accepted = 0;
        for (int round = 0; round < 3000; round++) {
            byte[] bytes = whole.clone();
            for (int i = random.nextInt(3); i >= 0; i--) {
                bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
            }
            try {
                accepted += SentencePieceModel.parse(bytes).pieces().isEmpty() ? 0 : 1;
            } catch (IOException e) {
                assertThat(e).message().isNotEmpty();
            }
        }
        assertThat(accepted).isBetween(1, 2999);
    }
}
