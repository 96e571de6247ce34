package org.lexvla.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Sparsification;
import org.lexvla.lexical.Vocabulary;
import org.lexvla.model.LexVla;
import org.lexvla.search.Pruning;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.TypeConversionException;

/** Writes the lexical vectors of pictures or texts. */
@Command(
        name = "encode",
        description = {
            "Write the lexical vectors of pictures or texts to a file: Arrow IPC or Parquet with the columns id (string) and"
                    + " words (map of lexical id to weight), or newline-delimited JSON for the bulk interface of a search"
                    + " engine.",
            "Vectors go to disk as they come. A run that was cut off goes on where it was when it is started again; what is"
                    + " done lies in OUT.parts until then."
        },
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples: ./lexvla encode images --model model --data pictures/ --out pictures.arrow",
            "          ./lexvla encode texts --model model --data captions.tsv --out captions.parquet",
            "          ./lexvla encode images --model model --data pictures/ --format opensearch --prune max_ratio=0.1 \\",
            "                                 --out pictures.ndjson --mapping index.json"
        })
final class EncodeCommand implements Callable<Integer> {
    /** Inputs of a part: what a run that is cut off loses at most. */
    private static final int PART = 4096;
    /** Seconds after which a part is written, however small. */
    private static final long PART_SECONDS = 60;

    enum What {
        IMAGES,
        TEXTS
    }

    @Parameters(paramLabel = "images|texts", description = "What to encode.")
    private What what;

    @Option(names = "--model", required = true, paramLabel = "MODEL", description = "Model directory.")
    private Path model;

    @Option(
            names = "--data",
            required = true,
            paramLabel = "DATA",
            description =
                    "Images: a captions.tsv, a directory or a picture. Texts: a captions.tsv, or a file with a text a line.")
    private Path data;

    @Option(names = "--out", required = true, paramLabel = "FILE", description = "File to write.")
    private Path out;

    @Option(
            names = "--format",
            paramLabel = "FORMAT",
            description =
                    "arrow, parquet, opensearch (rank_features), elasticsearch (sparse_vector) or seismic (OpenSearch"
                            + " sparse_vector) (default: parquet for a file of that name, else arrow).")
    private VectorFormat format;

    @Option(
            names = "--prune",
            paramLabel = "TYPE=N",
            converter = PruningConverter.class,
            description =
                    "Leave out weak words, as search engines name it: max_ratio=0.1 (below a tenth of the largest),"
                            + " top_k=128, abs_value=0.02, alpha_mass=0.9 (the strongest that have at most nine tenths of the sum).")
    private Pruning pruning;

    @Option(
            names = "--mapping",
            paramLabel = "FILE",
            description = "Write the body with which the engine's index is created, too.")
    private Path mapping;

    @Mixin
    private SparsityOptions sparsity;

    @Mixin
    private DeviceOption device;

    @Mixin
    private Console console;

    static final class PruningConverter implements ITypeConverter<Pruning> {
        @Override
        public Pruning convert(String text) {
            try {
                return Pruning.parse(text);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }

    @Override
    public Integer call() throws Exception {
        VectorFormat target = format == null ? VectorFormat.of(out) : format;
        NewFile.require(out);
        if (mapping != null) {
            if (target.bulk() == null) {
                throw new IllegalArgumentException("--mapping is for a search engine, " + target.label() + " is none");
            }
            NewFile.require(mapping);
        }
        List<Inputs.Picture> pictures = what == What.IMAGES ? Inputs.pictures(data) : List.of();
        List<Inputs.Text> texts = what == What.TEXTS ? Inputs.texts(data) : List.of();
        int inputs = pictures.size() + texts.size();
        // One after the other: a list of them would be as large as the inputs themselves, of which there may be
        // millions.
        String digest = digest(
                what == What.IMAGES
                        ? pictures.stream().map(Inputs.Picture::id)
                        : texts.stream().map(text -> text.id() + "\t" + text.text()));
        try (BufferAllocator allocator = new RootAllocator();
                LexVla encoder = LexVla.load(model, device.get())) {
            Vocabulary vocabulary = encoder.vocabulary();
            if (target.bulk() != null) {
                target.bulk().requireFits(vocabulary);
            }
            Sparsification kept = sparsity.get(encoder);
            Path beside = out.resolveSibling(out.getFileName() + ".parts");
            VectorParts parts = VectorParts.open(
                    beside, settings(inputs + " with the digest " + digest, kept, vocabulary), vocabulary, allocator);
            int resumed = parts.inputs();
            if (resumed > 0) {
                console.line("going on after %d of %d, found in %s", resumed, inputs, beside);
            }
            Encoder work = new Encoder(encoder, kept, allocator, console);
            Encoder.Time time;
            try (Pending pending = new Pending(parts, vocabulary, allocator)) {
                time = what == What.IMAGES
                        ? work.pictures(pictures, resumed, pending)
                        : work.texts(texts, resumed, pending);
                pending.flush();
            }
            finish(target, parts, vocabulary, allocator, resumed, time);
        }
        return 0;
    }

    /** Puts the parts together. */
    private void finish(
            VectorFormat target,
            VectorParts parts,
            Vocabulary vocabulary,
            BufferAllocator allocator,
            int resumed,
            Encoder.Time time)
            throws IOException {
        long[] counts = new long[2];
        int encoded = parts.inputs() - parts.skipped().size();
        if (encoded == 0) {
            // Nothing to go on with: the next run shall look at the pictures again.
            parts.delete();
        }
        Encoder.requireSome(what == What.IMAGES ? "pictures" : "texts", encoded, parts.skipped());
        try (VectorFormat.Output output = target.create(out, vocabulary, allocator)) {
            parts.read((ids, batch) -> {
                output.write(ids, batch);
                counts[0] += ids.size();
                counts[1] += batch.active();
            });
            output.commit();
        }
        if (mapping != null) {
            NewFile.writeBytes(mapping, target.bulk().mapping(vocabulary).getBytes(StandardCharsets.UTF_8));
        }
        parts.delete();
        double active = counts[1] / (double) counts[0];
        double perSecond = (parts.inputs() - resumed) / time.seconds();
        String waited =
                what == What.IMAGES ? String.format(Locale.ROOT, " (%.1f s waiting for pictures)", time.waited()) : "";
        Encoder.reportSkipped(parts.skipped(), console);
        console.line(
                "%s, %.1f active words each, %.1f a second%s, written to %s",
                Count.of(counts[0], "vector"), active, perSecond, waited, out);
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("vectors", counts[0]);
        result.put("skipped", parts.skipped());
        result.put("active_words", active);
        result.put("per_second", perSecond);
        result.put("waited_seconds", time.waited());
        result.put("resumed", resumed);
        result.put("format", target.label());
        result.put("out", out.toString());
        console.result(result);
    }

    /** What must be the same for the vectors of two runs to belong together. */
    private Map<String, String> settings(String inputs, Sparsification kept, Vocabulary vocabulary) throws IOException {
        Map<String, String> settings = new LinkedHashMap<>();
        settings.put("what", what.name());
        settings.put("model", model.toAbsolutePath().normalize().toString());
        Path weights = model.resolve("model.safetensors");
        settings.put(
                "weights",
                Files.exists(weights)
                        ? Files.size(weights) + " bytes of " + Files.getLastModifiedTime(weights)
                        : "none");
        settings.put("vocabulary", vocabulary.fingerprint());
        settings.put("inputs", inputs);
        settings.put("kept", String.valueOf(kept));
        settings.put("pruning", String.valueOf(pruning));
        return settings;
    }

    private static String digest(Stream<String> names) {
        try {
            MessageDigest sha = MessageDigest.getInstance("SHA-256");
            names.forEach(name -> {
                sha.update(name.getBytes(StandardCharsets.UTF_8));
                sha.update((byte) '\n');
            });
            return HexFormat.of().formatHex(sha.digest(), 0, 8);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java runtime has SHA-256", e);
        }
    }

    /** Gathers batches until they make a part. */
    private final class Pending implements Encoder.Sink, AutoCloseable {
        private final VectorParts parts;
        private final Vocabulary vocabulary;
        private final BufferAllocator allocator;
        private final List<LexicalBatch> batches = new ArrayList<>();
        private final List<String> ids = new ArrayList<>();
        private final List<String> skipped = new ArrayList<>();
        private int inputs;
        private long since = System.nanoTime();

        Pending(VectorParts parts, Vocabulary vocabulary, BufferAllocator allocator) {
            this.parts = parts;
            this.vocabulary = vocabulary;
            this.allocator = allocator;
        }

        @Override
        public void add(int count, List<String> names, LexicalBatch batch, List<String> left) throws IOException {
            batches.add(pruned(batch));
            ids.addAll(names);
            skipped.addAll(left);
            inputs += count;
            if (inputs >= PART || System.nanoTime() - since > PART_SECONDS * 1_000_000_000L) {
                flush();
            }
        }

        private LexicalBatch pruned(LexicalBatch batch) {
            if (pruning == null) {
                return batch.slice(0, batch.size());
            }
            List<LexicalVector> rows = new ArrayList<>();
            for (int row = 0; row < batch.size(); row++) {
                rows.add(pruning.apply(batch.get(row)));
            }
            return LexicalBatch.of(rows, vocabulary, allocator);
        }

        void flush() throws IOException {
            if (inputs > 0) {
                try (LexicalBatch part = LexicalBatch.concat(batches, allocator)) {
                    parts.add(inputs, ids, part, skipped);
                }
                close();
            }
            since = System.nanoTime();
        }

        @Override
        public void close() {
            batches.forEach(LexicalBatch::close);
            batches.clear();
            ids.clear();
            skipped.clear();
            inputs = 0;
        }
    }
}
