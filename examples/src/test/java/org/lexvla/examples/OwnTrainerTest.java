package org.lexvla.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** What {@code own-trainer} printed when it was built and run on the installed artifacts. */
class OwnTrainerTest {
    private static final Pattern LINE = Pattern.compile("(?m)^.*step (\\d+) loss (\\S+)$");

    @Test
    void lossFalls() throws IOException {
        String log = Files.readString(Path.of(System.getProperty("lexvla.it"), "own-trainer", "build.log"));
        List<MatchResult> lines = LINE.matcher(log).results().toList();
        assertThat(lines).as(log).hasSizeGreaterThan(5);
        double first = Double.parseDouble(lines.get(0).group(2));
        double last = Double.parseDouble(lines.get(lines.size() - 1).group(2));
        // 1 is a representation without any of the words shown, 0 one of these words alone; random ones give 0.92.
        assertThat(first).isBetween(0.8, 1.0);
        assertThat(last).isLessThan(0.4);
    }

    @Test
    void nothingComesFromTheReactor() throws IOException {
        String log = Files.readString(Path.of(System.getProperty("lexvla.it"), "own-trainer", "build.log"));
        assertThat(log).contains("BUILD SUCCESS").doesNotContain("target/classes:", "Building LexVLA");
    }
}
