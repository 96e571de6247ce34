package org.lexvla.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PromptTest {
    @TempDir
    Path directory;

    private Tokenizer tokenizer() throws IOException {
        return Tokenizer.load(TinyTokenizer.install(directory, TinyTokenizer.JSON, TinyTokenizer.CONFIG));
    }

    private static String text(int[] ids, Tokenizer tokenizer) {
        assertThat(ids[0]).isEqualTo(tokenizer.bos());
        return tokenizer.decode(Arrays.copyOfRange(ids, 1, ids.length));
    }

    @Test
    void isThePapersText() throws IOException {
        try (Tokenizer tokenizer = tokenizer()) {
            assertThat(text(Prompt.standard().ids("a red fox", tokenizer), tokenizer))
                    .isEqualTo(
                            "The focus of \"The man is riding a white horse.\" lies on important words:\"man\", \"riding\","
                                    + " \"white\", \"horse\". The focus of \"a red fox\" lies on important words:");
            assertThat(Prompt.standard().maxCaptionTokens()).isEqualTo(77);
        }
    }

    @Test
    void longCaptionsAreCut() throws IOException {
        try (Tokenizer tokenizer = tokenizer()) {
            Prompt prompt = new Prompt("\"[TEXT]\":", 3);
            assertThat(text(prompt.ids("a white horse", tokenizer), tokenizer)).isEqualTo("\"a white horse\":");
            assertThat(text(prompt.ids("a white horse runs", tokenizer), tokenizer))
                    .isEqualTo("\"a white horse\":");
            // Three tokens are the word mark and two of the snowman's three bytes, which make no character.
            assertThat(text(prompt.ids("☃ in the snow", tokenizer), tokenizer)).isEqualTo("\"\":");
            String longest = "snow ".repeat(77).strip();
            assertThat(text(Prompt.standard().ids(longest + " fox", tokenizer), tokenizer))
                    .contains(longest + "\"")
                    .doesNotContain("fox");
        }
    }

    @Test
    void captionsAreTakenLiterally() throws IOException {
        try (Tokenizer tokenizer = tokenizer()) {
            Prompt prompt = new Prompt("\"[TEXT]\":", 77);
            assertThat(text(prompt.ids("a $1 \\ [TEXT]", tokenizer), tokenizer)).isEqualTo("\"a $1 \\ [TEXT]\":");
        }
    }

    @Test
    void wrongUseIsAnError() throws IOException {
        try (Tokenizer tokenizer = tokenizer()) {
            for (String caption : new String[] {"", "  \n"}) {
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> Prompt.standard().ids(caption, tokenizer))
                        .withMessageContaining("caption is empty");
            }
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Prompt("no place", 77))
                .withMessageContaining("[TEXT]");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Prompt("[TEXT] [TEXT]", 77))
                .withMessageContaining("once");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Prompt("[TEXT]", 0))
                .withMessageContaining("at least 1");
    }
}
