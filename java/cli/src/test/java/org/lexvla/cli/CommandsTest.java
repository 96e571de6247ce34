package org.lexvla.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.lexvla.cli.TinyRun.assertFails;
import static org.lexvla.cli.TinyRun.lexvla;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.net.ConnectException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.Vocabulary;

/** The commands as a user runs them: one after the other on files, and with what users get wrong. */
class CommandsTest {
    @TempDir
    static Path directory;

    private static String table;
    private static String config;
    private static String run;
    private static TinyRun.Said training;

    @BeforeAll
    static void trains() throws Exception {
        TinyRun tiny = TinyRun.train(directory);
        table = tiny.table();
        config = tiny.config();
        run = tiny.run();
        training = tiny.training();
    }

    @Test
    void trainGoesOnFromItsCheckpoint() throws Exception {
        Path weights = Path.of(run, "model.safetensors");
        byte[] uncut = Files.readAllBytes(weights);
        // As if it had been cut off before its end.
        try (Stream<Path> files = Files.walk(Path.of(run, "checkpoints", "00000003"))) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
        TinyRun.Said said = lexvla("train", "--data", table, "--out", run, "--resume");
        assertThat(said.code()).as(said.err()).isZero();
        assertThat(said.out()).contains("Going on after step 0", "3 steps in ");
        assertThat(Files.readAllBytes(weights)).isEqualTo(uncut);
        TinyRun.Said refused = lexvla("train", "--data", table, "--out", run, "--resume", "--set", "batch=4");
        assertThat(refused.code()).isOne();
        assertThat(refused.err()).contains("batch was 8 and is 4");
    }

    @Test
    void trainsInSeveralProcesses() throws Exception {
        String many = directory.resolve("many").toString();
        TinyRun.Said said = lexvla(
                "train", "--data", table, "--config", config, "--out", many, "--processes", "2", "--set", "steps=2");
        assertThat(said.code()).as(said.err()).isZero();
        assertThat(Files.readAllLines(Path.of(many, "metrics.jsonl"))).hasSize(2);
        assertThat(Path.of(many, "config.json")).exists();
        // What one of them complains of ends all.
        TinyRun.Said refused = lexvla(
                "train", "--data", table, "--config", config, "--out", many + "3", "--processes=3", "--set", "steps=2");
        assertThat(refused.code()).isOne();
        assertThat(refused.err()).contains("of 3 ended with exit code 1").contains("--resume");
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
    void anIndexIsServedUntilItIsStopped() throws Exception {
        String index = directory.resolve("served").toString();
        assertThat(lexvla("index", "--model", run, "--data", table, "--out", index)
                        .code())
                .isZero();
        Path other = Files.createDirectories(directory.resolve("other"));
        Files.copy(Path.of(table).resolveSibling("images/00001.png"), other.resolve("a.png"));
        assertFails("none of the pictures in", "serve", "--index", index, "--data", other.toString(), "--port", "0");
        assertFails("--max-picture is 0", "serve", "--index", index, "--max-picture", "0");

        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        CompletableFuture<TinyRun.Said> said = new CompletableFuture<>();
        Thread server =
                new Thread(() -> said.complete(lexvla("serve", "--index", index, "--port", "" + port, "--json")));
        server.start();
        JsonNode about = null;
        while (about == null && !said.isDone()) {
            try {
                HttpRequest request = HttpRequest.newBuilder(URI.create("http://localhost:" + port + "/api/about"))
                        .build();
                about = new ObjectMapper()
                        .readTree(HttpClient.newHttpClient()
                                .send(request, HttpResponse.BodyHandlers.ofString())
                                .body());
            } catch (ConnectException e) {
                Thread.sleep(50);
            }
        }
        server.interrupt();
        assertThat(said.get(30, TimeUnit.SECONDS).code()).as(said.get().err()).isZero();
        assertThat(about.get("pictures").asInt()).isEqualTo(24);
        assertThat(about.get("shown").asInt()).isGreaterThanOrEqualTo(24);
        assertThat(said.get().json().get("address").asText()).isEqualTo("http://127.0.0.1:" + port + "/");
    }

    @Test
    void anIndexOfAnotherVocabularyIsRefusedByItsFingerprint() throws Exception {
        String index = directory.resolve("refused").toString();
        assertThat(lexvla("index", "--model", run, "--data", table, "--out", index)
                        .code())
                .isZero();
        String other = directory.resolve("wider").toString();
        List<String> init = new ArrayList<>(List.of("init", "--vision", run + "/vision", "--text", run + "/text"));
        init.addAll(List.of("--config", config, "--set", "vocabulary.punctuationAndDigits=true", "--out", other));
        TinyRun.Said made = lexvla(init.toArray(String[]::new));
        assertThat(made.code()).as(made.err()).isZero();
        String own = Vocabulary.load(Path.of(run, "vocabulary.json")).toString();
        String wider = Vocabulary.load(Path.of(other, "vocabulary.json")).toString();
        assertThat(own).isNotEqualTo(wider);
        for (List<String> command : List.of(
                List.of("serve", "--index", index, "--model", other, "--port", "0"),
                List.of("search", "--index", index, "--model", other, "a red boat"))) {
            TinyRun.Said said = lexvla(command.toArray(String[]::new));
            assertThat(said.code()).as(command.get(0)).isOne();
            assertThat(said.err()).contains("has the vocabulary " + wider, "the index " + own, "the model");
            assertThat(said.out()).isEmpty();
        }
    }

    @Test
    void aTextOfUnknownWordsIsToldSoWithNearOnes() throws Exception {
        String index = directory.resolve("asked").toString();
        lexvla("index", "--model", run, "--data", table, "--out", index);
        Vocabulary vocabulary = Vocabulary.load(Path.of(run, "vocabulary.json"));
        String word = IntStream.range(0, vocabulary.size())
                .mapToObj(vocabulary::word)
                .max(Comparator.comparingInt(String::length))
                .orElseThrow();
        String mistyped = word + "qq";
        TinyRun.Said said = lexvla("search", "--index", index, word + " " + mistyped);
        assertThat(said.code()).as(said.err()).isZero();
        assertThat(said.out())
                .contains("\"" + mistyped + "\" is not among the " + vocabulary.size()
                        + " words of the vocabulary; near ones: " + word)
                .doesNotContain("No word of this text");
        TinyRun.Said strange = lexvla("search", "--index", index, "xqzzw vvkq");
        assertThat(strange.out()).contains("\"xqzzw\" is not", "\"vvkq\" is not", "No word of this text is among them");
        JsonNode json = lexvla("search", "--index", index, "--json", word + " " + mistyped)
                .json();
        assertThat(json.get("known_words").asInt()).isEqualTo(1);
        assertThat(json.at("/unknown_words/" + mistyped).get(0).asText()).isEqualTo(word);
        assertThat(lexvla("search", "--index", index, word).out()).doesNotContain("vocabulary");
        assertFails("\"" + mistyped + "\" is not among the", "search", "--index", index, "--words", mistyped + "=1");
    }

    @Test
    void initTakesTheBackbonesOfARun() throws Exception {
        String model = directory.resolve("model").toString();
        List<String> arguments = new ArrayList<>(List.of("init", "--vision", run + "/vision", "--text", run + "/text"));
        arguments.addAll(List.of("--config", config, "--out", model, "--json"));
        TinyRun.Said first = lexvla(arguments.toArray(String[]::new));
        assertThat(first.code()).as(first.err()).isZero();
        assertThat(first.json().get("prompt").asText()).isEqualTo("\"[TEXT]\" is about:");
        TinyRun.Said again = lexvla(arguments.toArray(String[]::new));
        assertThat(again.code()).isEqualTo(1);
        assertThat(again.json().get("error").asText()).contains("exists already", model);
    }

    @Test
    void whatAModelKeepsIsSetWhenItIsMadeShownAndRespected() throws Exception {
        String model = directory.resolve("five").toString();
        List<String> init = new ArrayList<>(List.of("init", "--vision", run + "/vision", "--text", run + "/text"));
        init.addAll(List.of("--config", config, "--set", "sparsification.topK=5"));
        init.addAll(List.of("--set", "sparsification.renormalize=true", "--out", model, "--json"));
        TinyRun.Said made = lexvla(init.toArray(String[]::new));
        assertThat(made.code()).as(made.err()).isZero();
        assertThat(made.json().get("keeps").asText()).isEqualTo("the 5 strongest words, with norm 1 again");
        JsonNode info = lexvla("info", model, "--json").json();
        assertThat(info.get("keeps")).isEqualTo(made.json().get("keeps"));
        assertThat(lexvla("info", run, "--json").json().get("keeps").asText()).startsWith("words of at least 0.");
        assertThat(squaredNorms(model, "own.arrow", 5))
                .allSatisfy(norm -> assertThat(norm).isCloseTo(1, within(1e-6)));
        assertThat(squaredNorms(model, "other.arrow", 3, "--top-k", "3", "--no-renormalize"))
                .allSatisfy(norm -> assertThat(norm).isLessThan(0.999));
    }

    private static List<Double> squaredNorms(String model, String name, int words, String... more) throws Exception {
        Path out = directory.resolve(name);
        List<String> encode = new ArrayList<>(List.of("encode", "texts", "--model", model, "--data", table));
        encode.addAll(List.of("--out", out.toString(), "--json"));
        encode.addAll(List.of(more));
        JsonNode encoded = lexvla(encode.toArray(String[]::new)).json();
        assertThat(encoded.get("active_words").asDouble()).isEqualTo(words);
        List<Double> norms = new ArrayList<>();
        try (BufferAllocator allocator = new RootAllocator();
                LexicalBatch.Stored stored =
                        LexicalBatch.read(out, Vocabulary.load(Path.of(model, "vocabulary.json")), allocator)) {
            for (int row = 0; row < stored.batch().size(); row++) {
                double sum = 0;
                for (float weight : stored.batch().get(row).weights()) {
                    sum += (double) weight * weight;
                }
                norms.add(sum);
            }
        }
        return norms;
    }

    @Test
    void initSaysBeforehandWhatItWouldMake() throws Exception {
        Path report = directory.resolve("words.tsv");
        String[] arguments = {
            "init",
            "--vision",
            run + "/vision",
            "--text",
            run + "/text",
            "--config",
            config,
            "--dry-run",
            "--vocabulary-report",
            report.toString(),
            "--json"
        };
        JsonNode planned = lexvla(arguments).json();
        JsonNode made = lexvla("info", run, "--json").json();
        for (String part : List.of("vision", "text", "adapter", "lora", "image_codebook", "trained")) {
            assertThat(planned.get(part + "_parameters")).as(part).isEqualTo(made.get(part + "_parameters"));
        }
        assertThat(planned.get("image_codebook_parameters").asInt())
                .isEqualTo(
                        planned.get("vocabulary").asInt() * planned.get("width").asInt());
        List<String> lines = Files.readAllLines(report);
        assertThat(lines.stream().filter(line -> line.contains("\tkept\t")))
                .hasSize(planned.get("vocabulary").asInt());
        int dropped = 0;
        for (JsonNode number : planned.get("dropped_tokens")) {
            dropped += number.asInt();
        }
        assertThat(lines.stream().filter(line -> line.contains("\tdropped\t"))).hasSize(dropped);
        TinyRun.Said again = lexvla(arguments);
        assertThat(again.json().get("error").asText()).contains("exists already", report.toString());
        assertThat(lexvla("init", "--vision", "v", "--text", "t").err()).contains("--dry-run");
    }

    @Test
    void doctorNamesWhatIsThereAndWhatIsMissing() throws Exception {
        TinyRun.Said said = lexvla("doctor", "--json");
        assertThat(said.code()).as(said.err()).isZero();
        JsonNode found = said.json();
        assertThat(found.get("java").asText()).startsWith(System.getProperty("java.version"));
        assertThat(found.get("kernels").asText()).contains("instruction set");
        JsonNode libraries = found.get("cuda_libraries");
        assertThat(libraries.has("libcudnn.so.9")).isTrue();
        assertThat(libraries.has("libnccl.so.2")).isTrue();
        libraries.forEach(place -> assertThat(place.isNull() || Files.exists(Path.of(place.asText())))
                .isTrue());
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
    void packedPicturesAreTrainedOnAsWell() throws Exception {
        String shards = directory.resolve("shards").toString();
        TinyRun.Said packed = lexvla("pack", "--data", table, "--samples", "7", "--out", shards, "--json");
        assertThat(packed.json().get("samples").asInt()).isEqualTo(25);
        assertThat(packed.json().get("shards").asInt()).isEqualTo(4);
        String trained = directory.resolve("from-shards").toString();
        TinyRun.Said said = lexvla(
                "train",
                "--data",
                shards,
                "--model",
                run,
                "--config",
                config,
                "--set",
                "data.shuffle=10",
                "--out",
                trained,
                "--json");
        assertThat(said.code()).as(said.err()).isZero();
        assertThat(said.json().get("pairs").asInt()).isEqualTo(25);
        assertThat(said.json().at("/last/step").asInt()).isEqualTo(3);
        assertFails(
                "no data that can be read: files by their endings: {yaml=1}",
                "train",
                "--data",
                config,
                "--out",
                directory.resolve("other").toString());
    }

    @Test
    void everyCommandExplainsItselfWithAnExample() {
        for (String command : List.of(
                "demo", "init", "train", "pack", "encode", "index", "search", "serve", "explain", "info", "doctor")) {
            TinyRun.Said said = lexvla(command, "--help");
            assertThat(said.code()).isZero();
            assertThat(said.out()).containsPattern("Examples?: ./lexvla " + command);
            assertThat(said.err()).isEmpty();
        }
        for (String measure : List.of("retrieval", "patchdis", "sparsity", "ablations")) {
            TinyRun.Said said = lexvla("evaluate", measure, "--help");
            assertThat(said.out()).containsPattern("Examples?: ./lexvla evaluate " + measure);
            assertThat(said.err()).isEmpty();
        }
    }

    @Test
    void badInputIsExitCode1AndOneClearLine() throws Exception {
        assertFails("no such file: nowhere", "encode", "texts", "--model", run, "--data", "nowhere", "--out", "x");
        assertFails("no such file: none.yaml", "evaluate", "ablations", "--config", "none.yaml", "--out", "x");
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
}
