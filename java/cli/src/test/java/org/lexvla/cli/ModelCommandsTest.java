package org.lexvla.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.lexvla.cli.TinyRun.assertFails;
import static org.lexvla.cli.TinyRun.lexvla;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.image.BufferedImage;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.cli.demo.Html;
import org.lexvla.lexical.Device;
import org.lexvla.lexical.Sparsification;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.model.LexVla;

/** The commands that work with a trained model, on files: encode, index, search, explain, evaluate. */
class ModelCommandsTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    static Path directory;

    private static String table;
    private static String run;

    @BeforeAll
    static void trains() throws Exception {
        TinyRun tiny = TinyRun.train(directory);
        table = tiny.table();
        run = tiny.run();
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
        TinyRun.Said said = lexvla(
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
        assertThat(said.err()).contains("missing 00999.png", "not measured: 1 of 4 pictures;");

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
        assertThat(drawn.getHeight()).isEqualTo(920);
        assertThat(drawn.getRGB(4, 4)).as("white paper").isEqualTo(0xFFFFFFFF);

        Path page = directory.resolve("explained.html");
        TinyRun.Said said = lexvla(
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
                .contains(
                        "words of patches 3, 4",
                        "the square the model sees of 112 × 112 pixels; the chosen patches are framed",
                        "; height is weight, ",
                        "“a red &lt;boat&gt;”: ",
                        "the 3 highest are framed",
                        "data:image/png;base64,",
                        "<svg")
                // A blank before: the pictures are written in letters, of which "href" may be four.
                .doesNotContain("src=\"http", " href=", "<boat>");
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
        TinyRun.Said failed = lexvla(
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
        assertThat(failed.code()).isEqualTo(1);
        Files.move(directory.resolve(tooLong + ".parts"), directory.resolve("texts.parquet.parts"));
        JsonNode resumed = lexvla("encode", "texts", "--model", run, "--data", table, "--out", out.toString(), "--json")
                .json();
        assertThat(resumed.get("resumed").asInt()).isEqualTo(25);
        assertThat(resumed.get("vectors").asInt()).isEqualTo(25);
        Path other = directory.resolve("again.parquet");
        assertThat(lexvla("encode", "texts", "--model", run, "--data", table, "--out", other.toString())
                        .out())
                .startsWith("25 vectors, ")
                .doesNotContain("pictures");
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

    private static void explainSaysWhatAWordScoresInASearch(String index, String word) throws Exception {
        JsonNode best = lexvla("search", "--index", index, "--words", word + "=1", "--json")
                .json()
                .get("hits")
                .get(0);
        List<String> explain = List.of(
                "explain",
                "--model",
                run,
                "--image",
                directory.resolve("data").resolve(best.get("id").asText()).toString(),
                "--word",
                word,
                "--out",
                directory.resolve("word.html").toString());
        TinyRun.Said said = lexvla(explain.toArray(String[]::new));
        double weight = best.get("score").asDouble();
        assertThat(said.out())
                .contains(String.format(
                        Locale.ROOT,
                        "“%s” weighs %.4f in the picture, as in 'search --words %s=1'",
                        word,
                        weight,
                        word))
                .containsPattern("“" + Pattern.quote(word) + "” scores 0\\.\\d{4} by its vector in the text codebook");
        assertThat(directory.resolve("word.html"))
                .content()
                .contains(String.format(Locale.ROOT, "“%s”: weight %.4f, score ", Html.escape(word), weight));
        List<String> json = new ArrayList<>(explain);
        json.set(json.size() - 1, directory.resolve("word.png").toString());
        json.add("--json");
        JsonNode both = lexvla(json.toArray(String[]::new)).json();
        assertThat(both.get("weight").asDouble()).isCloseTo(weight, within(1e-6));
        assertThat(both.get("score")).isNotEqualTo(both.get("weight"));
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
                TinyRun.Said said = lexvla(arguments.toArray(String[]::new));
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
        explainSaysWhatAWordScoresInASearch(exact, words.word(0));
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
}
