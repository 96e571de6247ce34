package org.lexvla.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.NoSuchFileException;
import org.junit.jupiter.api.Test;

class LexvlaTest {
    /** What was being done is told as well as what went wrong. */
    @Test
    void aFailureTellsItsOwnTextAndThatOfItsCause() {
        IOException full = new IOException("No space left on device");
        assertThat(Lexvla.message(new UncheckedIOException("events in run/tensorboard cannot be written", full)))
                .isEqualTo("events in run/tensorboard cannot be written: No space left on device");
        assertThat(Lexvla.message(new UncheckedIOException("captions", new NoSuchFileException("a.tsv"))))
                .isEqualTo("captions: no such file: a.tsv");
        // Without a text of its own, the cause's alone.
        assertThat(Lexvla.message(new UncheckedIOException(full))).isEqualTo("No space left on device");
        assertThat(Lexvla.message(new UncheckedIOException(null, full))).isEqualTo("No space left on device");
        assertThat(Lexvla.message(new UncheckedIOException(null, new IOException())))
                .isEqualTo("java.io.IOException");
        assertThat(Lexvla.message(new UncheckedIOException(new NoSuchFileException("a.tsv"))))
                .isEqualTo("no such file: a.tsv");
        assertThat(Lexvla.message(new IllegalStateException())).isEqualTo("java.lang.IllegalStateException");
    }

    @Test
    void wrongUseIsToldInAFewLines() {
        TinyRun.Said said = TinyRun.lexvla("search", "--index", "x", "--words", "boat");
        assertThat(said.code()).isEqualTo(2);
        assertThat(said.err())
                .startsWith("lexvla search: Value for option")
                .contains("--index=INDEX", "./lexvla search --help says more.")
                .doesNotContain("Examples")
                .hasLineCount(5);
        assertThat(TinyRun.lexvla("serch").err()).contains("Did you mean: lexvla search");
    }

    @Test
    void oneIsNoPlural() {
        assertThat(Count.of(1, "picture")).isEqualTo("1 picture");
        assertThat(Count.of(0, "picture")).isEqualTo("0 pictures");
        assertThat(Count.of(773, "picture")).isEqualTo("773 pictures");
        assertThat(Count.of(1, "class", "classes")).isEqualTo("1 class");
        assertThat(Count.of(2, "class", "classes")).isEqualTo("2 classes");
    }

    @Test
    void aScriptIsToldOfWrongUseInJson() throws IOException {
        TinyRun.Said said = TinyRun.lexvla("search", "--json", "--words", "boat=1");
        assertThat(said.code()).isEqualTo(2);
        assertThat(new ObjectMapper().readTree(said.out()).get("error").asText())
                .contains("--index");
        assertThat(TinyRun.lexvla("search", "--words", "boat=1").out()).isEmpty();
    }
}
