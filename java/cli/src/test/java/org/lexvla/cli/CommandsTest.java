package org.lexvla.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.imageio.ImageIO;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.cli.demo.SceneFiles;
import org.lexvla.cli.demo.SceneGenerator;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.Sparsification;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.model.LexVla;

/** The commands as a user runs them: one after the other on files, and with what users get wrong. */
class CommandsTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    static Path directory;

    private static String table;
    private static String config;
    private static String run;
    private static Said training;

    /** What a command left behind. */
    private record Said(int code, String out, String err) {
        JsonNode json() throws Exception {
            assertThat(out.strip().lines())
                    .as("standard output is one JSON object")
                    .hasSize(1);
            return JSON.readTree(out);
        }
    }

    @BeforeAll
    static void trains() throws Exception {
        Path data = directory.resolve("data");
        SceneFiles.write(data, new SceneGenerator(3, 112).generate(SceneGenerator.Split.TRAIN, 24, 1));
        Path captions = data.resolve("captions.tsv");
        Files.writeString(data.resolve("images/broken.png"), "this is no picture");
        Files.writeString(captions, Files.readString(captions) + "images/broken.png\ta broken picture\n");
        table = captions.toString();
        Path settings = directory.resolve("tiny.yaml");
        Files.writeString(settings, """
                steps: 3
                batch: 8
                poolCls: false
                adapter: {heads: 2}
                prompt: '"[TEXT]" is about:'
                fresh:
                  vision: {hidden: 16, layers: 1, heads: 2, image: 112, standIn: {steps: 2, batch: 2, learningRate: 1.0e-3}}
                  text: {hidden: 16, intermediate: 32, layers: 1, heads: 2, tokens: 400, standIn: {steps: 2, batch: 4, learningRate: 1.0e-3}}
                """);
        config = settings.toString();
        run = directory.resolve("run").toString();
        training = lexvla("train", "--data", table, "--config", config, "--out", run, "--json");
    }

    @Test
    void trainMakesAModelAndNamesThePictureItCouldNotRead() throws Exception {
        assertThat(training.code()).as(training.err()).isZero();
        JsonNode result = training.json();
        assertThat(result.get("last").get("step").asInt()).isEqualTo(3);
        assertThat(result.get("skipped").toString()).contains("broken.png");
        assertThat(Path.of(run, "config.json")).exists();
        assertThat(Files.readAllLines(Path.of(run, "metrics.jsonl"))).isNotEmpty();
        JsonNode info = lexvla("info", run, "--json").json();
        assertThat(info.get("width").asInt()).isEqualTo(16);
        assertThat(info.get("vocabulary").asInt()).isBetween(20, 400);
    }

    @Test
    void whatIsEncodedCanBeIndexedSearchedAndMeasured() throws Exception {
        String vectors = directory.resolve("vectors.arrow").toString();
        JsonNode encoded = lexvla(
                        "encode", "images", "--model", run, "--data", table, "--out", vectors, "--top-k", "7", "--json")
                .json();
        assertThat(encoded.get("vectors").asInt()).isEqualTo(24);
        assertThat(encoded.get("active_words").asDouble()).isEqualTo(7);
        assertThat(encoded.get("skipped").toString()).contains("broken.png");

        String index = directory.resolve("index").toString();
        assertThat(lexvla("index", "--model", run, "--data", table, "--out", index)
                        .code())
                .isZero();
        JsonNode hits = lexvla("search", "--index", index, "--k", "3", "--explain", "--json", "a red boat")
                .json()
                .get("hits");
        assertThat(hits).hasSize(3);
        for (JsonNode hit : hits) {
            double sum = 0;
            for (JsonNode word : hit.get("words")) {
                sum += word.get("weight").asDouble();
            }
            // The strongest words are named, so they sum to the score or a little less.
            assertThat(sum).isPositive().isLessThanOrEqualTo(hit.get("score").asDouble() + 1e-5);
        }

        JsonNode retrieval = lexvla("evaluate", "retrieval", "--model", run, "--data", table, "--json")
                .json();
        assertThat(retrieval.get("pictures").asInt()).isEqualTo(24);
        assertThat(retrieval.get("t2i").get("r10").asDouble()).isBetween(0.0, 1.0);
        assertThat(lexvla("evaluate", "sparsity", "--model", run, "--data", table, "--json")
                        .json()
                        .get("points"))
                .hasSizeGreaterThan(4);
    }

    @Test
    void captionsInPublishedLayoutsAreMeasuredAndMissingPicturesNamed() throws Exception {
        StringBuilder images = new StringBuilder();
        for (int i = 0; i < 4; i++) {
            // The last one is not there.
            images.append(String.format(
                    "%s{\"filename\": \"%05d.png\", \"split\": \"test\", \"sentences\": [{\"raw\": \"a boat\"}, {\"raw\": \"fox %d\"}]}",
                    i == 0 ? "" : ",", i == 3 ? 999 : i, i));
        }
        Path json = Files.writeString(directory.resolve("dataset_toy.json"), "{\"images\": [" + images + "]}");
        String pictures = directory.resolve("data/images").toString();
        Said said = lexvla(
                "evaluate", "retrieval", "--model", run, "--data", json.toString(), "--images", pictures, "--json");
        JsonNode figures = said.json();
        assertThat(figures.get("pictures").asInt()).isEqualTo(3);
        assertThat(figures.get("captions").asInt()).isEqualTo(6);
        assertThat(figures.get("missing")).hasSize(1);
        assertThat(figures.get("missing").get(0).asText()).isEqualTo("00999.png");
        assertThat(figures.get("ties").asText()).isEqualTo("worst");
        JsonNode interval = figures.get("i2t").get("interval").get("r1");
        assertThat(figures.get("i2t").get("r1").asDouble())
                .isBetween(interval.get("low").asDouble(), interval.get("high").asDouble());
        assertThat(said.err()).contains("missing 00999.png", "1 of 4 pictures are not measured");

        String plot = directory.resolve("curve.png").toString();
        JsonNode curve = lexvla(
                        "evaluate",
                        "sparsity",
                        "--model",
                        run,
                        "--data",
                        json.toString(),
                        "--images",
                        pictures,
                        "--multiples",
                        "0,1,100",
                        "--plot",
                        plot,
                        "--json")
                .json();
        assertThat(curve.get("points")).hasSize(3);
        assertThat(curve.get("points").get(0).get("activeImage").asDouble())
                .as("multiple 0 keeps every word")
                .isEqualTo(curve.get("vocabulary").asDouble());
        assertThat(curve.get("points").get(2).get("activeImage").asDouble()).isZero();
        assertThat(ImageIO.read(new File(plot)).getWidth()).isEqualTo(1280);
        assertFails(
                "not even",
                "evaluate",
                "retrieval",
                "--model",
                run,
                "--data",
                json.toString(),
                "--images",
                directory.toString());
        assertFails(
                "pictures are .png or .svg",
                "evaluate",
                "sparsity",
                "--model",
                run,
                "--data",
                json.toString(),
                "--plot",
                "curve.gif");
    }

    @Test
    void whatIsEncodedGoesToEveryFormatAndGoesOnWhereItWasCutOff() throws Exception {
        Path bulk = directory.resolve("vectors.ndjson");
        Path mapping = directory.resolve("mapping.json");
        JsonNode written = lexvla(
                        "encode",
                        "images",
                        "--model",
                        run,
                        "--data",
                        table,
                        "--format",
                        "opensearch",
                        "--prune",
                        "top_k=5",
                        "--out",
                        bulk.toString(),
                        "--mapping",
                        mapping.toString(),
                        "--json")
                .json();
        assertThat(written.get("vectors").asInt()).isEqualTo(24);
        assertThat(written.get("active_words").asDouble()).isEqualTo(5);
        assertThat(written.get("waited_seconds").asDouble()).isNotNegative();
        List<String> lines = Files.readAllLines(bulk);
        assertThat(lines).hasSize(48);
        assertThat(JSON.readTree(lines.get(1)).get("words")).hasSize(5);
        assertThat(JSON.readTree(mapping.toFile())
                        .at("/mappings/properties/words/type")
                        .asText())
                .isEqualTo("rank_features");
        assertThat(directory.resolve("vectors.ndjson.parts")).doesNotExist();

        // A run that cannot put its file together, because there is no room for its name, keeps its parts; one that can
        // goes on with them.
        Path out = directory.resolve("texts.parquet");
        String tooLong = "t".repeat(230);
        assertFailsAfterWork(
                "encode",
                "texts",
                "--model",
                run,
                "--data",
                table,
                "--format",
                "parquet",
                "--out",
                directory.resolve(tooLong).toString());
        Files.move(directory.resolve(tooLong + ".parts"), directory.resolve("texts.parquet.parts"));
        JsonNode resumed = lexvla("encode", "texts", "--model", run, "--data", table, "--out", out.toString(), "--json")
                .json();
        assertThat(resumed.get("resumed").asInt()).isEqualTo(25);
        assertThat(resumed.get("vectors").asInt()).isEqualTo(25);
        Path other = directory.resolve("again.parquet");
        assertThat(lexvla("encode", "texts", "--model", run, "--data", table, "--out", other.toString())
                        .code())
                .isZero();
        assertThat(out).hasSameBinaryContentAs(other);

        assertFails(
                "say --format opensearch",
                "encode",
                "texts",
                "--model",
                run,
                "--data",
                table,
                "--out",
                directory.resolve("x.ndjson").toString());
        assertFails(
                "arrow is none",
                "encode",
                "texts",
                "--model",
                run,
                "--data",
                table,
                "--out",
                directory.resolve("x.arrow").toString(),
                "--mapping",
                directory.resolve("y.json").toString());
        assertThat(lexvla("encode", "texts", "--model", run, "--data", table, "--prune", "best=3", "--out", "x.arrow")
                        .code())
                .isEqualTo(2);
    }

    @Test
    void encodingGoesOnInTheMiddle() throws Exception {
        List<Inputs.Picture> pictures = Inputs.pictures(Path.of(table));
        List<String> ids = new ArrayList<>();
        List<String> skipped = new ArrayList<>();
        try (BufferAllocator allocator = new RootAllocator();
                LexVla model = LexVla.load(Path.of(run), Device.cpu())) {
            Encoder encoder = new Encoder(model, Sparsification.topK(3), allocator, new Console());
            Encoder.Time time = encoder.pictures(pictures, 20, (inputs, names, batch, left) -> {
                assertThat(inputs).isEqualTo(names.size() + left.size());
                assertThat(batch.size()).isEqualTo(names.size());
                ids.addAll(names);
                skipped.addAll(left);
            });
            assertThat(time.waited()).isBetween(0.0, time.seconds());
        }
        assertThat(ids)
                .containsExactlyElementsOf(pictures.subList(20, 24).stream()
                        .map(Inputs.Picture::id)
                        .toList());
        assertThat(skipped).singleElement().asString().contains("broken.png");
    }

    @Test
    void bothEnginesFindTheSameForTextsPicturesAndWords() throws Exception {
        String exact = directory.resolve("exact.index").toString();
        String lucene = directory.resolve("lucene.index").toString();
        assertThat(lexvla("index", "--model", run, "--data", table, "--out", exact)
                        .code())
                .isZero();
        assertThat(lexvla("index", "--model", run, "--data", table, "--engine", "lucene", "--out", lucene, "--json")
                        .json()
                        .get("engine")
                        .asText())
                .isEqualTo("lucene");
        Vocabulary words = Vocabulary.load(Path.of(run, "vocabulary.json"));
        String byHand = words.word(0) + "=1," + words.word(words.size() - 1) + "=0.5";
        String picture = directory.resolve("data/images/00003.png").toString();
        for (List<String> query :
                List.of(List.of("a red boat"), List.of("--image", picture), List.of("--words", byHand))) {
            List<JsonNode> found = new ArrayList<>();
            for (String index : List.of(exact, lucene)) {
                List<String> arguments = new ArrayList<>(List.of("search", "--index", index, "--k", "24"));
                arguments.addAll(List.of("--explain", "--json"));
                arguments.addAll(query);
                Said said = lexvla(arguments.toArray(String[]::new));
                assertThat(said.code()).as(said.err()).isZero();
                found.add(said.json().get("hits"));
            }
            assertThat(found.get(1)).hasSameSizeAs(found.get(0)).isNotEmpty();
            for (int i = 0; i < found.get(0).size(); i++) {
                double score = found.get(0).get(i).get("score").asDouble();
                // Ranks may differ where scores are within the precision; the scores in order do not.
                assertThat(found.get(1).get(i).get("score").asDouble()).isCloseTo(score, within(score / 400));
                assertThat(found.get(1).get(i).get("words")).isNotEmpty();
            }
            if (query.contains("--image")) {
                assertThat(found.get(1).get(0).get("id").asText()).isEqualTo("images/00003.png");
            }
        }
        assertFails(
                "give both with --engine opensearch",
                "index",
                "--model",
                run,
                "--data",
                table,
                "--engine",
                "opensearch",
                "--out",
                directory.resolve("cluster.index").toString());
        assertFails(
                "is no name for an index",
                "index",
                "--model",
                run,
                "--data",
                table,
                "--engine",
                "opensearch",
                "--server",
                "http://localhost:1",
                "--name",
                "Pictures",
                "--out",
                directory.resolve("cluster.index").toString());
        assertFails("is not among the", "search", "--index", lucene, "--words", "qqqq=1");
        assertFails("must be finite and above 0", "search", "--index", lucene, "--words", words.word(0) + "=-1");
        assertFails("picture", "search", "--index", exact, "--image", "nowhere.png");
        assertThat(lexvla("search", "--index", lucene).code()).isEqualTo(2);
        assertThat(lexvla("search", "--index", lucene, "a boat", "--image", picture)
                        .code())
                .isEqualTo(2);
    }

    @Test
    void aPictureIsExplainedAsPanelsAndAsAPage() throws Exception {
        String picture = directory.resolve("data/images/00000.png").toString();
        String panels = directory.resolve("explained.png").toString();
        String known = Vocabulary.load(Path.of(run, "vocabulary.json")).word(0);
        JsonNode all = lexvla(
                        "explain",
                        "--model",
                        run,
                        "--image",
                        picture,
                        "--box",
                        "0,0,112,112",
                        "--word",
                        known,
                        "--out",
                        panels,
                        "--json")
                .json();
        // CLS takes no part in the maximum of this model, so all patches together are the picture.
        assertThat(all.get("region")).isEqualTo(all.get("picture")).isNotEmpty();
        assertThat(all.get("patches")).hasSize(64);
        assertThat(all.get("heat")).hasSize(64);
        BufferedImage drawn = ImageIO.read(new File(panels));
        assertThat(drawn.getWidth()).isEqualTo(32 + 4 * 832);
        assertThat(drawn.getHeight()).isEqualTo(896);
        assertThat(drawn.getRGB(4, 4)).as("white paper").isEqualTo(0xFFFFFFFF);

        Path page = directory.resolve("explained.html");
        Said said = lexvla(
                "explain",
                "--model",
                run,
                "--image",
                picture,
                "--patches",
                "3,4",
                "--text",
                "a red <boat>",
                "--out",
                page.toString());
        assertThat(said.code()).as(said.err()).isZero();
        assertThat(page)
                .content()
                .contains("words of patches 3, 4", "“a red &lt;boat&gt;”", "data:image/png;base64,", "<svg")
                .doesNotContain("src=\"http", "href", "<boat>");
        assertFails(
                "patch 64 is outside of the 8x8",
                "explain",
                "--model",
                run,
                "--image",
                picture,
                "--patches",
                "64",
                "--out",
                directory.resolve("other.png").toString());
        assertFails(
                "--box has 3 numbers",
                "explain",
                "--model",
                run,
                "--image",
                picture,
                "--box",
                "1,2,3",
                "--out",
                directory.resolve("other.png").toString());
        assertFails(
                "\"" + known + "x\" is not among the",
                "explain",
                "--model",
                run,
                "--image",
                picture,
                "--word",
                known + "x",
                "--out",
                directory.resolve("other.png").toString());
        assertFails(
                "cannot be read",
                "explain",
                "--model",
                run,
                "--image",
                Files.write(directory.resolve("half.png"), Arrays.copyOf(Files.readAllBytes(Path.of(picture)), 200))
                        .toString(),
                "--out",
                directory.resolve("other.png").toString());
        assertThat(directory.resolve("other.png")).doesNotExist();
    }

    @Test
    void initTakesTheBackbonesOfARun() throws Exception {
        String model = directory.resolve("model").toString();
        List<String> arguments = new ArrayList<>(List.of("init", "--vision", run + "/vision", "--text", run + "/text"));
        arguments.addAll(List.of("--config", config, "--out", model, "--json"));
        Said first = lexvla(arguments.toArray(String[]::new));
        assertThat(first.code()).as(first.err()).isZero();
        assertThat(first.json().get("prompt").asText()).isEqualTo("\"[TEXT]\" is about:");
        Said again = lexvla(arguments.toArray(String[]::new));
        assertThat(again.code()).isEqualTo(1);
        assertThat(again.json().get("error").asText()).contains("exists already", model);
    }

    @Test
    void wrongUseIsExitCode2AndNamesTheOption() {
        assertThat(lexvla("search", "a red boat").code()).isEqualTo(2);
        assertThat(lexvla("search", "a red boat").err()).contains("--index");
        assertThat(lexvla("dream").code()).isEqualTo(2);
        assertThat(lexvla().code()).isEqualTo(2);
        assertThat(lexvla("encode", "sounds", "--model", run, "--data", table, "--out", "x")
                        .code())
                .isEqualTo(2);
    }

    @Test
    void everyCommandExplainsItselfWithAnExample() {
        for (String command :
                List.of("demo", "init", "train", "encode", "index", "search", "explain", "info", "doctor")) {
            Said said = lexvla(command, "--help");
            assertThat(said.code()).isZero();
            assertThat(said.out()).containsPattern("Examples?: ./lexvla " + command);
            assertThat(said.err()).isEmpty();
        }
        for (String measure : List.of("retrieval", "patchdis", "sparsity")) {
            Said said = lexvla("evaluate", measure, "--help");
            assertThat(said.out()).containsPattern("Examples?: ./lexvla evaluate " + measure);
            assertThat(said.err()).isEmpty();
        }
    }

    @Test
    void badInputIsExitCode1AndOneClearLine() throws Exception {
        assertFails("no such file: nowhere", "encode", "texts", "--model", run, "--data", "nowhere", "--out", "x");
        assertFails("nowhere", "info", "nowhere");
        assertFails("nowhere", "search", "--index", "nowhere", "a red boat");
        assertFails(
                "unknown setting stebs (--set), the nearest is steps",
                "train",
                "--data",
                table,
                "--set",
                "stebs=3",
                "--out",
                directory.resolve("other").toString());
        Path wrong = directory.resolve("wrong.tsv");
        Files.writeString(wrong, "picture\ttext\na.png\ta cat\n");
        assertFails("no column \"file\"", "train", "--data", wrong.toString(), "--out", "other");
        Path empty = Files.createDirectories(directory.resolve("empty"));
        assertFails("no picture in", "index", "--model", run, "--data", empty.toString(), "--out", "other");
        assertThat(Path.of("other")).doesNotExist();
    }

    private static void assertFailsAfterWork(String... arguments) {
        assertThat(lexvla(arguments).code()).isEqualTo(1);
    }

    private static void assertFails(String message, String... arguments) {
        Said said = lexvla(arguments);
        assertThat(said.code()).as(said.err()).isEqualTo(1);
        assertThat(said.err()).contains(message).doesNotContain("\tat ");
        assertThat(said.out()).isEmpty();
    }

    private static Said lexvla(String... arguments) {
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        ByteArrayOutputStream complained = new ByteArrayOutputStream();
        System.setOut(new PrintStream(said, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(complained, true, StandardCharsets.UTF_8));
        try {
            int code = Lexvla.run(arguments);
            return new Said(code, said.toString(StandardCharsets.UTF_8), complained.toString(StandardCharsets.UTF_8));
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
    }
}
