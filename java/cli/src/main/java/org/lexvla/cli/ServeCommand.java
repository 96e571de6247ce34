package org.lexvla.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.lucene.search.IndexSearcher;
import org.lexvla.model.LexVla;
import org.lexvla.search.LexicalIndex;
import org.lexvla.search.LexicalSearcher;
import org.lexvla.search.SearchIndex;
import org.lexvla.server.SearchServer;
import org.lexvla.server.ServedPictures;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Serves an index as a web page. */
@Command(
        name = "serve",
        description = {
            "Serve an index as a web page: search by text, picture and words, and see why.",
            "It listens on this machine alone unless --host says otherwise, and knows no passwords: whoever reaches it may"
                    + " search and see the pictures of the index. Stop it with Ctrl-C."
        },
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples: ./lexvla serve --index INDEX",
            "          ./lexvla serve --index INDEX --model model --data pictures/ --port 9000",
            "          ./lexvla serve --index INDEX --host 0.0.0.0 --allow-host pictures.example.org"
        })
final class ServeCommand implements Callable<Integer> {
    private static final int MEBI = 1 << 20;

    @Option(
            names = "--index",
            required = true,
            paramLabel = "INDEX",
            description = "Index directory of 'lexvla index'.")
    private Path index;

    @Option(
            names = "--model",
            paramLabel = "MODEL",
            description = "Model that encodes the queries (default: the one that made the index).")
    private Path model;

    @Option(
            names = "--data",
            paramLabel = "DATA",
            description = "Where the pictures are: the --data of 'lexvla index' (default: where they were then).")
    private Path data;

    @Option(
            names = "--port",
            defaultValue = "8080",
            paramLabel = "PORT",
            description = "Port to listen at; 0 takes a free one (default: ${DEFAULT-VALUE}).")
    private int port;

    @Option(
            names = "--host",
            defaultValue = "127.0.0.1",
            paramLabel = "HOST",
            description = "Address to listen at; 0.0.0.0 is every one of this machine (default: ${DEFAULT-VALUE}).")
    private String host;

    @Option(
            names = "--allow-host",
            split = ",",
            paramLabel = "NAME,...",
            hideParamSyntax = true,
            description =
                    "Names by which the page may be called, besides localhost and addresses. Others are refused, or"
                            + " any web page could search here.")
    private Set<String> names = Set.of();

    @Option(
            names = "--max-picture",
            defaultValue = "16",
            paramLabel = "MIB",
            description = "Size of the largest picture that may be sent, in MiB (default: ${DEFAULT-VALUE}).")
    private int maxPicture;

    @Mixin
    private DeviceOption device;

    @Mixin
    private Console console;

    @Override
    public Integer call() throws Exception {
        if (maxPicture < 1 || maxPicture > 256) {
            throw new IllegalArgumentException("--max-picture is " + maxPicture + ", must be 1 to 256");
        }
        SearchServer.Settings local = SearchServer.Settings.local(port);
        SearchServer.Settings settings =
                new SearchServer.Settings(host, port, names, maxPicture * MEBI, local.idleMillis());
        Path pictures = data != null ? data : IndexedPictures.data(index);
        ServedPictures served =
                pictures == null ? ServedPictures.none() : ServedPictures.of(IndexedPictures.files(pictures));
        try (BufferAllocator allocator = new RootAllocator();
                LexicalSearcher searcher = SearchIndex.open(index, allocator)) {
            // This process searches one index: a query may have all of its words.
            IndexSearcher.setMaxClauseCount(Math.max(
                    IndexSearcher.getMaxClauseCount(), searcher.vocabulary().size()));
            requireFit(searcher, served, pictures);
            Path directory = model == null ? searcher.model() : model;
            try (LexVla encoder = LexVla.load(directory, device.get());
                    SearchServer server = SearchServer.start(searcher, encoder, served, allocator, settings)) {
                serve(server, searcher, served);
            }
        }
        return 0;
    }

    /** Refuses pictures of which none is in the index: their ids would then be written otherwise, and nothing could be shown. */
    private static void requireFit(LexicalSearcher searcher, ServedPictures served, Path pictures) {
        if (searcher instanceof LexicalIndex exact && served.size() > 0) {
            List<String> ids = exact.ids();
            if (!ids.isEmpty() && ids.stream().noneMatch(served::has)) {
                throw new IllegalArgumentException(
                        "none of the pictures in " + pictures + " is in the index, whose first is " + ids.get(0)
                                + ": give --data as it was given to 'lexvla index'");
            }
        }
    }

    private void serve(SearchServer server, LexicalSearcher searcher, ServedPictures served) {
        console.line("%s at %s (stop with Ctrl-C)", Count.of(searcher.size(), "picture"), server.address());
        if (served.size() == 0) {
            console.line("Where the pictures are is not known: give --data to see them.");
        }
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("address", server.address().toString());
        result.put("pictures", searcher.size());
        result.put("shown", served.size());
        console.result(result);
        // Ctrl-C ends the process with this: the server stops taking requests before the memory of index and model
        // goes.
        Thread stop = new Thread(server::close, "stop serving");
        Runtime.getRuntime().addShutdownHook(stop);
        try {
            server.join();
        } catch (InterruptedException e) {
            // Whoever runs this in a thread of theirs asks it to stop so.
            Runtime.getRuntime().removeShutdownHook(stop);
        }
    }
}
