package org.lexvla.server;

import java.io.IOException;
import java.net.URI;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.apache.arrow.memory.BufferAllocator;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.NetworkConnectionLimit;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.lexvla.model.LexVla;
import org.lexvla.search.LexicalSearcher;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves an index of pictures as a web page and JSON endpoints: search by text, picture and words, and what the model sees where.
 *
 * <pre>{@code
 * try (SearchServer server = SearchServer.start(index, model, pictures, allocator, Settings.local(8080))) {
 *     System.out.println(server.address());
 *     server.join();
 * }
 * }</pre>
 *
 * <p><b>For whom.</b> One person on their own machine, or a group that trusts each other: there is no password and no encryption. It
 * listens on the loopback address unless told otherwise, keeps other web pages out ({@code Host}, {@code Origin} and
 * {@code Sec-Fetch-Site} are looked at), serves pictures by their id in the index alone, encoded anew, and never says where a file is.
 *
 * <p><b>Under load.</b> A few threads, none of which waits for a client. The model computes for one request at a time, sixteen may
 * wait; searches run on as many threads as there are processors. Who comes when a queue is full gets 503 with {@code Retry-After}.
 * Bodies are read up to 64 kB (JSON, within 10 s) or the limit for pictures (within 60 s, four at once); connections are limited in number,
 * and closed when they are idle or send a head byte by byte.
 */
public final class SearchServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(SearchServer.class);
    private static final int CONNECTIONS = 1024;
    private static final int NETWORK_THREADS = 12;
    private static final int SELECTORS = 1;
    private static final int WAIT_FOR_MODEL = 16;
    private static final int WAIT_FOR_SEARCH = 256;
    private static final int WAIT_FOR_THUMBNAILS = 512;
    /** Pictures that the page shows before anything was asked. */
    private static final int SAMPLE = 24;

    private static final int MAX_HEAD = 16 << 10;

    /**
     * How to serve.
     *
     * @param host       address or name of the network interface; 127.0.0.1 is this machine alone
     * @param port       0: any that is free
     * @param names      names by which clients may call the server, besides localhost, addresses and the host
     * @param maxPicture bytes of the largest picture that may be sent
     * @param idleMillis after which an idle connection is closed, or one that has not sent the head of its request
     */
    public record Settings(String host, int port, Set<String> names, int maxPicture, long idleMillis) {
        public Settings {
            if (port < 0 || port > 65_535) {
                throw new IllegalArgumentException("port is " + port + ", must be 0 to 65535");
            }
            if (maxPicture < 1 || idleMillis < 1) {
                throw new IllegalArgumentException(
                        "maxPicture is " + maxPicture + " and idleMillis " + idleMillis + ": both must be at least 1");
            }
            names = Set.copyOf(names);
        }

        /** On this machine alone, pictures up to 16 MiB. */
        public static Settings local(int port) {
            return new Settings("127.0.0.1", port, Set.of(), 16 << 20, 15_000);
        }
    }

    private final Server server;
    private final ServerConnector connector;
    private final Settings settings;
    private final List<Lane> lanes;
    private final OpenPictures open;
    private final Thread warming;

    private SearchServer(
            Server server,
            ServerConnector connector,
            Settings settings,
            List<Lane> lanes,
            OpenPictures open,
            SearchApi searches) {
        this.server = server;
        this.connector = connector;
        this.settings = settings;
        this.lanes = lanes;
        this.open = open;
        this.warming = new Thread(() -> warmUp(searches), "lexvla warm up");
        this.warming.setDaemon(true);
    }

    /**
     * Starts to serve.
     *
     * @param index     not closed before the server
     * @param model     the one that made the index; not closed before the server, not used by others meanwhile
     * @param pictures  where the pictures are
     * @param allocator of what is needed in between
     * @throws IllegalArgumentException if the model has another vocabulary than the index
     * @throws IOException              if the port is taken or the host is not of this machine
     */
    public static SearchServer start(
            LexicalSearcher index, LexVla model, ServedPictures pictures, BufferAllocator allocator, Settings settings)
            throws IOException {
        if (!model.vocabulary().equals(index.vocabulary())) {
            throw new IllegalArgumentException("the model has the vocabulary " + model.vocabulary() + ", the index "
                    + index.vocabulary() + ": serve the index with the model that made it, " + index.model());
        }
        int processors = Runtime.getRuntime().availableProcessors();
        Lane modelLane = new Lane("model", 1, WAIT_FOR_MODEL);
        Lane searchLane = new Lane("search", processors, WAIT_FOR_SEARCH);
        // Two at most: a picture of the largest size takes 200 MB while it is decoded, and twice that to be turned.
        Lane thumbnailLane = new Lane("thumbnails", Math.min(2, processors), WAIT_FOR_THUMBNAILS);

        QueryVectors vectors = new QueryVectors(
                modelLane,
                model.vocabulary(),
                text -> model.encodeTexts(List.of(text)),
                word -> model.encodeWords(List.of(word)));
        OpenPictures open = new OpenPictures(model, pictures, allocator);
        SearchApi searches = new SearchApi(index, vectors, open, modelLane, searchLane);
        PictureApi shows = new PictureApi(searches, vectors, open, new Thumbnails(thumbnailLane, pictures), modelLane);

        Map<String, Object> about = new LinkedHashMap<>();
        about.put("pictures", index.size());
        about.put("shown", pictures.size());
        about.put("words", index.vocabulary().size());
        about.put("columns", open.columns());
        about.put("sample", pictures.sample(SAMPLE));
        about.put("maxPicture", settings.maxPicture);
        about.put("version", Long.toString(System.currentTimeMillis(), Character.MAX_RADIX));

        Map<String, Route> routes = new HashMap<>();
        routes.put("/api/about", Route.get(call -> CompletableFuture.completedFuture(Answer.json(about))));
        routes.put("/api/words", Route.get(searches::words));
        routes.put("/api/search", Route.post(Route.Body.JSON, searches::search));
        routes.put("/api/thumbnail", Route.get(shows::thumbnail));
        routes.put("/api/square", Route.get(shows::square));
        routes.put("/api/uploads", Route.post(Route.Body.PICTURE, shows::upload));
        routes.put("/api/picture", Route.post(Route.Body.JSON, shows::words));
        routes.put("/api/region", Route.post(Route.Body.JSON, shows::region));
        routes.put("/api/heat", Route.post(Route.Body.JSON, shows::heat));

        QueuedThreadPool threads = new QueuedThreadPool(NETWORK_THREADS, NETWORK_THREADS);
        threads.setName("lexvla network");
        Server server = new Server(threads);
        HttpConfiguration http = new HttpConfiguration();
        http.setSendServerVersion(false);
        http.setSendDateHeader(false);
        http.setRequestHeaderSize(MAX_HEAD);
        http.setIdleTimeout(settings.idleMillis);
        ServerConnector connector = new ServerConnector(server, 1, SELECTORS, new HttpConnectionFactory(http));
        connector.setHost(settings.host);
        connector.setPort(settings.port);
        connector.setIdleTimeout(settings.idleMillis);
        connector.setAcceptQueueSize(CONNECTIONS);
        connector.addBean(new SlowClients(connector.getScheduler(), settings.idleMillis));
        server.addConnector(connector);
        NetworkConnectionLimit limit = new NetworkConnectionLimit(CONNECTIONS, server);
        limit.setEndPointIdleTimeout(1000);
        server.addBean(limit);
        Set<String> names = new HashSet<>(settings.names);
        names.add(settings.host);
        server.setErrorHandler(new JsonErrors());
        server.setHandler(new RequestHandler(new Guard(names), new PageFiles(), routes, settings.maxPicture));
        SearchServer started = new SearchServer(
                server, connector, settings, List.of(searchLane, thumbnailLane, modelLane), open, searches);
        try {
            server.start();
        } catch (Exception e) {
            started.close();
            if (e instanceof IOException) {
                Throwable cause = e.getCause() == null ? e : e.getCause();
                throw new IOException(
                        "cannot listen at " + settings.host + ":" + settings.port + ": " + cause.getMessage()
                                + "; choose another port or host",
                        e);
            }
            throw new IllegalStateException("the server does not start: " + e.getMessage(), e);
        }
        started.warming.start();
        return started;
    }

    /** While it already listens; who comes meanwhile is a little slower, not refused. */
    private static void warmUp(SearchApi searches) {
        try {
            searches.warmUp();
        } catch (InterruptedException | ExecutionException | RuntimeException e) {
            // Closed meanwhile, or the index does not answer: whoever asks next is told.
            LOG.debug("warming up ended early", e);
        }
    }

    /** Where the page is. */
    public URI address() {
        String host = settings.host.contains(":") ? "[" + settings.host + "]" : settings.host;
        return URI.create("http://" + host + ":" + connector.getLocalPort() + "/");
    }

    /** Waits until the server is closed, or this thread is interrupted. */
    public void join() throws InterruptedException {
        server.join();
    }

    /** Stops listening, finishes what was begun, and frees what was kept. */
    @Override
    public synchronized void close() {
        warming.interrupt();
        try {
            server.stop();
        } catch (Exception e) {
            throw new IllegalStateException("the server does not stop: " + e.getMessage(), e);
        } finally {
            lanes.forEach(Lane::close);
            open.close();
        }
    }
}
