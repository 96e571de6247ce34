package org.lexvla.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.lexvla.cli.TinyRun.assertFails;
import static org.lexvla.cli.TinyRun.lexvla;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a run tells while it goes on. */
class RunWatchTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    static Path directory;

    private static TinyRun tiny;

    @BeforeAll
    static void trains() throws Exception {
        tiny = TinyRun.train(directory);
    }

    @Test
    void measuresOnHeldOutPicturesAndTellsOnEveryWay() throws Exception {
        Path run = directory.resolve("watched");
        TinyRun.Said said = lexvla(
                "train",
                "--model",
                tiny.run(),
                "--data",
                tiny.table(),
                "--config",
                tiny.config(),
                "--set",
                "steps=5",
                "--set",
                "logEvery=2",
                "--set",
                "evaluation.every=2",
                "--set",
                "evaluation.data=" + tiny.table(),
                "--out",
                run.toString());
        assertThat(said.code()).as(said.err()).isZero();
        String number = "[-+.0-9e]+";
        Pattern line = Pattern.compile(
                "(?m)^step (\\d)/5  loss N = i2t N \\+ t2i N \\+ λ N·N \\+ N·N  R@1 N N  words N N".replace("N", number)
                        + "  τ N  lr N  \\|g\\| N  N pictures/s  data wait N %  memory N GB \\(heap N GB\\)(  skipped 1 sample)?$"
                                .replace("N", number));
        assertThat(line.matcher(said.err()).results().map(found -> found.group(1)))
                .as(said.err())
                .containsExactly("2", "4", "5");
        assertThat(said.out())
                .contains("Settings: those of the paper, but steps=5, batch=8, logEvery=2,", "training.yaml");
        assertThat(said.err()).contains("held out after step 2: R@1/5/10 text to image", "(24 pictures");

        List<String> measured = Files.readAllLines(run.resolve(RunWatch.EVALUATIONS));
        assertThat(measured).hasSize(3);
        JsonNode last = JSON.readTree(measured.get(2));
        assertThat(last.get("step").asInt()).isEqualTo(5);
        assertThat(last.get("captions").asInt()).isEqualTo(24);
        JsonNode afterwards = lexvla(
                        "evaluate", "retrieval", "--model", run.toString(), "--data", tiny.table(), "--json")
                .json();
        assertThat(last.get("textToImage").get("r1"))
                .isEqualTo(afterwards.get("t2i").get("r1"));
        assertThat(last.get("imageToText").get("r10"))
                .isEqualTo(afterwards.get("i2t").get("r10"));
        assertThat(last.get("activeImage")).isEqualTo(afterwards.get("active_words"));
        assertThat(last.get("words")).isNotEmpty();

        try (Stream<Path> files = Files.list(run.resolve("tensorboard"))) {
            assertThat(files).hasSize(1);
        }
        String page = Files.readString(run.resolve(RunPage.FILE));
        assertThat(page)
                .contains("<b>finished</b> step 5 of 5", "Held out", "Most used words", "training.yaml")
                .contains(">" + last.get("words").get(0).get("word").asText() + "</b>")
                .doesNotContain("http-equiv", "src=", "href=", "NaN");
    }

    @Test
    void aWrongTableIsFoundBeforeTheRun() {
        assertFails(
                "nowhere.tsv",
                "train",
                "--data",
                tiny.table(),
                "--set",
                "evaluation.every=5",
                "--set",
                "evaluation.data=nowhere.tsv",
                "--out",
                directory.resolve("none").toString());
        assertFails(
                "evaluation.every is 5 and evaluation.data names no table",
                "train",
                "--data",
                tiny.table(),
                "--set",
                "evaluation.every=5",
                "--out",
                directory.resolve("none").toString());
        assertThat(directory.resolve("none")).doesNotExist();
    }

    @Test
    void aPlanMakesNothing() throws Exception {
        Path none = directory.resolve("planned");
        String[] plan = {
            "train",
            "--plan",
            "--model",
            tiny.run(),
            "--data",
            tiny.table(),
            "--config",
            tiny.config(),
            "--out",
            none.toString(),
            "--json"
        };
        JsonNode fits = lexvla(plan).json();
        assertThat(none).doesNotExist();
        assertThat(fits.get("plan").get("steps").asInt()).isEqualTo(3);
        assertThat(fits.get("problems")).isEmpty();
        assertThat(fits.get("peak").asLong()).isGreaterThan(300_000_000L);
        assertThat(fits.get("memory").get("free").asLong())
                .isBetween(1L, fits.get("memory").get("total").asLong());

        TinyRun.Said small = lexvla(
                Stream.concat(Stream.of(plan), Stream.of("--memory", "0.1")).toArray(String[]::new));
        assertThat(small.code()).isZero();
        assertThat(small.err()).contains("DOES NOT FIT: cpu needs", "has 100.0 MB free (even without any activations");
        assertThat(small.json().get("problems")).hasSize(1);
        TinyRun.Said wide = lexvla(
                Stream.concat(Stream.of(plan), Stream.of("--set", "batch=5000")).toArray(String[]::new));
        assertThat(wide.err()).contains("DOES NOT FIT: a batch needs 5,000 different pictures, the data have ");
        // Also before there is any model.
        TinyRun.Said fresh =
                lexvla("train", "--plan", "--data", tiny.table(), "--config", tiny.config(), "--out", none.toString());
        assertThat(fresh.out()).contains("at the highest", "It fits.");
        assertThat(none).doesNotExist();
    }

    @Test
    void whatTheDriverSaysOfAGpu() {
        assertThat(MachineMemory.parse("81559, 81000\n")).contains(new MachineMemory(81559L << 20, 81000L << 20));
        assertThat(MachineMemory.parse("NVIDIA-SMI has failed\n")).isEmpty();
        assertThat(MachineMemory.parse("")).isEmpty();
    }

    @Test
    void aPageOfARunThatGoesOn(@TempDir Path run) throws Exception {
        StringBuilder metrics = new StringBuilder();
        for (int step = 1; step <= 1000; step++) {
            metrics.append("{\"step\":")
                    .append(step)
                    .append(",\"steps\":4000,\"seconds\":2.0,\"dataWait\":0.1,\"loss\":")
                    // As JSON writes what is not finite.
                    .append(step == 7 ? "\"NaN\"" : String.valueOf(9.0 / step))
                    .append("}\n");
        }
        Files.writeString(run.resolve("metrics.jsonl"), metrics + "{\"step\":1001,\"ste");
        Files.writeString(
                run.resolve(RunWatch.EVALUATIONS),
                "{\"step\":500,\"pictures\":9,\"captions\":9,\"words\":[{\"word\":\"<b>&\",\"mean\":0.5,\"share\":1}],"
                        + "\"usage\":[0.5,0.25],\"overuse\":3}\n");
        RunPage page = new RunPage(run);
        page.write(true);
        String html = Files.readString(run.resolve(RunPage.FILE));
        assertThat(html)
                .contains("http-equiv=\"refresh\"", "<b>running</b> step 1,000 of 4,000, about 1 h 40 min to go")
                .contains("&lt;b&gt;&amp;</b>", "5.0 %")
                .doesNotContain("NaN");
        // Thinned: a thousand steps are not a thousand points.
        assertThat(html.length()).isLessThan(60_000);
        try (Stream<Path> files = Files.list(run)) {
            assertThat(files).as("nothing is left beside").hasSize(3);
        }
    }
}
