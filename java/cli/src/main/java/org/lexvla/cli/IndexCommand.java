package org.lexvla.cli;

import java.net.URI;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.lexvla.model.LexVla;
import org.lexvla.search.LexicalIndex;
import org.lexvla.search.LuceneIndex;
import org.lexvla.search.OpenSearchIndex;
import org.lexvla.search.SearchIndex;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Encodes pictures into an index that {@code lexvla search} reads. */
@Command(
        name = "index",
        description = "Encode pictures into an index for 'lexvla search'.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples: ./lexvla index --model model --data pictures/ --out pictures.index",
            "          ./lexvla index --model model --data pictures/ --engine lucene --out pictures.lucene",
            "          ./lexvla index --model model --data pictures/ --engine opensearch --server http://localhost:9200 \\",
            "                         --name pictures --out pictures.opensearch"
        })
final class IndexCommand implements Callable<Integer> {
    @Option(names = "--model", required = true, paramLabel = "MODEL", description = "Model directory.")
    private Path model;

    @Option(
            names = "--data",
            required = true,
            paramLabel = "DATA",
            description = "A captions.tsv, a directory or a picture.")
    private Path data;

    @Option(names = "--out", required = true, paramLabel = "INDEX", description = "Index directory to make.")
    private Path out;

    @Option(
            names = "--engine",
            defaultValue = "exact",
            paramLabel = "ENGINE",
            description = "What will search the index: exact (all vectors in memory, scores of float32), lucene (an"
                    + " inverted index on disk; weights keep 9 bits, scores are within 0.2 %%) or opensearch (the"
                    + " same in a cluster) (default: ${DEFAULT-VALUE}).")
    private SearchIndex.Engine engine;

    @Option(
            names = "--server",
            split = ",",
            paramLabel = "URL,...",
            hideParamSyntax = true,
            description = "Addresses of nodes of an OpenSearch cluster, such as http://localhost:9200.")
    private List<URI> servers = List.of();

    @Option(names = "--name", paramLabel = "NAME", description = "Name of the index in the OpenSearch cluster.")
    private String name;

    @Option(
            names = "--shards",
            defaultValue = "1",
            paramLabel = "N",
            description = "Shards of the index in the cluster (default: ${DEFAULT-VALUE}).")
    private int shards;

    @Option(
            names = "--replicas",
            defaultValue = "1",
            paramLabel = "N",
            description = "Copies of each shard in the cluster (default: ${DEFAULT-VALUE}).")
    private int replicas;

    @Mixin
    private SparsityOptions sparsity;

    @Mixin
    private DeviceOption device;

    @Mixin
    private Console console;

    @Override
    public Integer call() throws Exception {
        Inputs.requireAbsent(out);
        boolean cluster = engine == SearchIndex.Engine.OPENSEARCH;
        if (cluster != !servers.isEmpty() || cluster != (name != null)) {
            throw new IllegalArgumentException("--server and --name say where OpenSearch has its index: give both with"
                    + " --engine opensearch, and none with another");
        }
        OpenSearchIndex.Target target = cluster ? new OpenSearchIndex.Target(servers, name, shards, replicas) : null;
        try (BufferAllocator allocator = new RootAllocator();
                LexVla encoder = LexVla.load(model, device.get());
                Encoder.Encoded encoded = new Encoder(encoder, sparsity.get(encoder), allocator, console)
                        .pictures(Inputs.pictures(data))) {
            switch (engine) {
                case EXACT -> LexicalIndex.create(out, encoded.batch(), encoded.ids(), model);
                case LUCENE -> LuceneIndex.create(out, encoded.batch(), encoded.ids(), model);
                case OPENSEARCH -> OpenSearchIndex.create(out, target, encoded.batch(), encoded.ids(), model);
            }
            IndexedPictures.note(out, data);
            Encoder.reportSkipped(encoded.skipped(), console);
            console.line(
                    "%s, %.1f active words each, indexed in %s (%s)",
                    Count.of(encoded.ids().size(), "picture"), encoded.batch().meanActive(), out, engine.label());
            Map<String, Object> result = new LinkedHashMap<>();
            result.put("pictures", encoded.ids().size());
            result.put("skipped", encoded.skipped());
            result.put("active_words", encoded.batch().meanActive());
            result.put("index", out.toString());
            result.put("engine", engine.label());
            console.result(result);
        }
        return 0;
    }
}
