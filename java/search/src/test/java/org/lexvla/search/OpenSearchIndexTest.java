package org.lexvla.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.Token;
import org.lexvla.lexical.Vocabulary;

/**
 * What goes over the line, and what becomes of every kind of answer, against a server that says what it is told to. Against a real
 * cluster: {@code OpenSearchClusterTest}, with the profile opensearch.
 */
class OpenSearchIndexTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Vocabulary WORDS = vocabulary("▁fox", "▁snow", "fox");

    /** A request as it came. */
    private record Asked(String method, String path, String type, String body) {}

    /** What is answered. */
    private record Answer(int status, String body) {}

    @TempDir
    Path directory;

    private final List<Asked> asked = new CopyOnWriteArrayList<>();
    private final Map<String, Answer> answers = new ConcurrentHashMap<>();
    private HttpServer server;
    private BufferAllocator allocator;

    @BeforeEach
    void serve() throws IOException {
        allocator = new RootAllocator();
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", exchange -> {
            String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            String path = exchange.getRequestURI().getRawPath();
            String method = exchange.getRequestMethod();
            asked.add(new Asked(method, path, exchange.getRequestHeaders().getFirst("Content-Type"), body));
            Answer answer = answers.getOrDefault(method + " " + path, new Answer(200, "{}"));
            byte[] bytes = answer.body.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(answer.status, bytes.length);
            exchange.getResponseBody().write(bytes);
            exchange.close();
        });
        server.start();
        answers.put(
                "GET /pictures/_mapping",
                new Answer(
                        200,
                        "{\"pictures\":{\"mappings\":{\"_meta\":{\"lexvla.vocabulary\":\"" + WORDS.fingerprint()
                                + "\"}}}}"));
        answers.put("GET /pictures/_count", new Answer(200, "{\"count\":2}"));
    }

    @AfterEach
    void stop() {
        server.stop(0);
        allocator.close();
    }

    @Test
    void sendsMappingAndItems() throws IOException {
        create();
        assertThat(asked)
                .extracting(request -> request.method + " " + request.path)
                .containsExactly("PUT /pictures", "POST /pictures/_bulk", "POST /pictures/_refresh");
        JsonNode mapping = JSON.readTree(asked.get(0).body);
        assertThat(mapping.at("/settings/index.number_of_shards").asInt()).isEqualTo(2);
        assertThat(mapping.at("/mappings/properties/words/type").asText()).isEqualTo("rank_features");
        assertThat(asked.get(1).type).isEqualTo("application/x-ndjson");
        assertThat(asked.get(1).body.lines())
                .containsExactly(
                        "{\"index\":{\"_id\":\"a/ü b.png\"}}",
                        "{\"row\":0,\"words\":{\"0\":0.5,\"1\":0.25}}",
                        "{\"index\":{\"_id\":\"b\"}}",
                        "{\"row\":1,\"words\":{\"2\":1.0}}");
        try (LexicalSearcher open = SearchIndex.open(directory.resolve("index"), allocator)) {
            assertThat(open.size()).isEqualTo(2);
            assertThat(open.model()).isEqualTo(directory.resolve("model"));
        }
    }

    @Test
    void asksAndExplains() throws IOException {
        create();
        answers.put(
                "POST /pictures/_search",
                new Answer(200, "{\"hits\":{\"hits\":[{\"_id\":\"a/ü b.png\",\"_score\":16.0}]}}"));
        answers.put(
                "GET /pictures/_doc/a%2F%C3%BC%20b.png",
                new Answer(200, "{\"_source\":{\"row\":0,\"words\":{\"0\":0.5,\"1\":0.25}}}"));
        answers.put("GET /pictures/_doc/c", new Answer(404, "{\"found\":false}"));
        try (LexicalSearcher open = SearchIndex.open(directory.resolve("index"), allocator)) {
            asked.clear();
            // 128 is above the limit of 64 and halved; the score is doubled again.
            LexicalVector query = vector(0, 128, 1, 1);
            List<LexicalSearcher.Hit> hits = open.search(query, 10);
            assertThat(hits).containsExactly(new LexicalSearcher.Hit("a/ü b.png", 32));
            JsonNode body = JSON.readTree(asked.get(0).body);
            assertThat(body.get("size").asInt()).isEqualTo(2);
            assertThat(body.at("/query/bool/should/0/rank_feature/field").asText())
                    .isEqualTo("words.0");
            assertThat(body.at("/query/bool/should/0/rank_feature/boost").asDouble())
                    .isEqualTo(64);
            assertThat(body.at("/query/bool/should/0/rank_feature/linear").isObject())
                    .isTrue();
            assertThat(body.at("/query/bool/should/1/rank_feature/boost").asDouble())
                    .isEqualTo(0.5);
            assertThat(open.explain(query, hits.get(0), 5)).hasSize(2);
            assertThat(open.search(vector(), 3)).isEmpty();
            assertThatThrownBy(() -> open.explain(query, new LexicalSearcher.Hit("c", 1), 5))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("no item 'c' among the 2");
            assertThatThrownBy(() -> open.search(vector(0, -1), 3)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() ->
                            open.search(LexicalVector.of(vocabulary("▁other"), new int[] {0}, new float[] {1}), 3))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("encode the query with the model of the index");
        }
    }

    @Test
    void tooManyWordsAndHalfAnswersAreErrors() throws IOException {
        create();
        try (LexicalSearcher open = SearchIndex.open(directory.resolve("index"), allocator)) {
            answers.put(
                    "POST /pictures/_search",
                    new Answer(
                            400,
                            "{\"error\":{\"root_cause\":[{\"reason\":\"maxClauseCount is set to 1024\"}]},\"status\":400}"));
            assertThatThrownBy(() -> open.search(vector(0, 1), 3))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("more than the cluster takes")
                    .hasMessageContaining("indices.query.bool.max_clause_count");
            answers.put("POST /pictures/_search", new Answer(503, "{\"error\":\"busy\"}"));
            assertThatThrownBy(() -> open.search(vector(0, 1), 3))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("status 503: \"busy\"");
            answers.put("POST /pictures/_search", new Answer(200, "{\"_shards\":{\"failed\":1}}"));
            assertThatThrownBy(() -> open.search(vector(0, 1), 3))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("a part of the index only");
            answers.put("POST /pictures/_search", new Answer(200, "<html>"));
            assertThatThrownBy(() -> open.search(vector(0, 1), 3))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("no JSON: is it OpenSearch?");
        }
    }

    @Test
    void anItemThatIsRefusedRemovesTheIndexAgain() {
        answers.put(
                "POST /pictures/_bulk",
                new Answer(
                        200,
                        "{\"errors\":true,\"items\":[{\"index\":{\"_id\":\"a\",\"status\":201}},{\"index\":{\"_id\":\"b\","
                                + "\"error\":{\"reason\":\"weights must be positive\"}}}]}"));
        assertThatThrownBy(this::create)
                .isInstanceOf(IOException.class)
                .hasMessageContaining("refuses the item 'b': weights must be positive");
        assertThat(asked.get(asked.size() - 1).method).isEqualTo("DELETE");
        assertThat(directory).isEmptyDirectory();
        asked.clear();
        answers.put("PUT /pictures", new Answer(400, "{\"error\":{\"root_cause\":[{\"reason\":\"index exists\"}]}}"));
        assertThatThrownBy(this::create).hasMessageContaining("index exists");
        assertThat(asked).as("what is not ours is not removed").hasSize(1);
    }

    @Test
    void aNodeThatIsGoneIsPassedOver() throws IOException {
        create();
        Path file = directory.resolve("index/index.json");
        String description = Files.readString(file);
        int dead;
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            dead = taken.getLocalPort();
        }
        String gone = "http://127.0.0.1:" + dead;
        Files.writeString(file, description.replace(address().toString(), gone + "," + address()));
        try (LexicalSearcher open = SearchIndex.open(directory.resolve("index"), allocator)) {
            assertThat(open.size()).isEqualTo(2);
        }
        Files.writeString(file, description.replace(address().toString(), gone));
        refuses("does not answer at " + gone + ": is it running?");
        Files.writeString(file, description.replace(address().toString(), "nowhere"));
        refuses("'nowhere' is no address of a cluster");
    }

    @Test
    void anIndexThatIsNotOursIsRefused() throws IOException {
        create();
        answers.put("GET /pictures/_count", new Answer(200, "{\"count\":1}"));
        refuses("says it has 2 items, but 'pictures' of the cluster has 1");
        answers.put("GET /pictures/_mapping", new Answer(200, "{\"pictures\":{\"mappings\":{}}}"));
        refuses("of the cluster has the vocabulary ''");
        answers.put(
                "GET /pictures/_mapping",
                new Answer(404, "{\"error\":{\"root_cause\":[{\"reason\":\"no such index [pictures]\"}]}}"));
        refuses("no such index [pictures]");
        for (String name : List.of("Pictures", "", "_a", "a/b")) {
            assertThatThrownBy(() -> new OpenSearchIndex.Target(List.of(address()), name, 1, 0))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("no name for an index");
        }
    }

    private void refuses(String message) {
        assertThatThrownBy(() -> SearchIndex.open(directory.resolve("index"), allocator))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(message);
    }

    private URI address() {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    private void create() throws IOException {
        try (LexicalBatch batch = LexicalBatch.of(List.of(vector(0, .5, 1, .25), vector(2, 1)), WORDS, allocator)) {
            OpenSearchIndex.create(
                    directory.resolve("index"),
                    new OpenSearchIndex.Target(List.of(address()), "pictures", 2, 1),
                    batch,
                    List.of("a/ü b.png", "b"),
                    directory.resolve("model"));
        }
    }

    private static LexicalVector vector(double... pairs) {
        int[] ids = new int[pairs.length / 2];
        float[] weights = new float[ids.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (int) pairs[2 * i];
            weights[i] = (float) pairs[2 * i + 1];
        }
        return LexicalVector.of(WORDS, ids, weights);
    }

    private static Vocabulary vocabulary(String... pieces) {
        List<Token> tokens = new ArrayList<>();
        for (String piece : pieces) {
            tokens.add(new Token(tokens.size(), piece, true));
        }
        return Vocabulary.select(tokens, Vocabulary.Rule.standard(), null);
    }
}
