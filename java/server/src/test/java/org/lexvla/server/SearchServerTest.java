package org.lexvla.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.SocketException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.apache.lucene.search.IndexSearcher;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.WeightedWord;
import org.lexvla.search.LuceneIndex;

/** Every endpoint over real HTTP: what it answers to good requests, and that nothing else does harm. */
class SearchServerTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final long IDLE_MILLIS = 700;

    static {
        // Less than the server's idle time: a connection that is kept must not be closed while it is taken again.
        System.setProperty("jdk.httpclient.keepalive.timeout", "5");
    }

    private static final HttpClient CLIENT = HttpClient.newHttpClient();

    @TempDir
    static Path directory;

    private static SmallWorld world;

    @BeforeAll
    static void start() throws IOException {
        world = new SmallWorld(directory);
    }

    @AfterAll
    static void stop() {
        // Closing the allocator fails if anything of a picture was not given back.
        world.close();
    }

    private static HttpRequest.Builder to(String path) {
        return HttpRequest.newBuilder(world.server.address().resolve(path)).timeout(Duration.ofSeconds(30));
    }

    private static HttpResponse<byte[]> send(HttpRequest.Builder request) throws Exception {
        HttpResponse<byte[]> response = CLIENT.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
        assertThat(response.headers().firstValue("Content-Security-Policy").orElse(""))
                .contains("default-src 'none'", "script-src 'self'")
                .doesNotContain("unsafe");
        assertThat(response.headers().firstValue("X-Content-Type-Options")).contains("nosniff");
        assertThat(response.headers().firstValue("Access-Control-Allow-Origin")).isEmpty();
        assertThat(response.headers().firstValue("Server")).isEmpty();
        if (response.statusCode() >= 400) {
            String body = new String(response.body(), StandardCharsets.UTF_8);
            assertThat(JSON.readTree(body).get("error").asText()).as(body).isNotEmpty();
            assertThat(body).doesNotContain(directory.toString(), "Exception", "\tat ", "org.lexvla", "jetty");
        }
        return response;
    }

    private static HttpResponse<byte[]> post(String path, String json) throws Exception {
        return send(
                to(path).header("Content-Type", "application/json").POST(HttpRequest.BodyPublishers.ofString(json)));
    }

    private static JsonNode answer(String path, String json) throws Exception {
        return good(post(path, json));
    }

    private static JsonNode good(HttpResponse<byte[]> response) throws Exception {
        assertThat(response.statusCode())
                .as(new String(response.body(), StandardCharsets.UTF_8))
                .isEqualTo(200);
        assertThat(response.headers().firstValue("Content-Type")).contains("application/json");
        return JSON.readTree(response.body());
    }

    private static void refused(int status, String message, HttpResponse<byte[]> response) throws Exception {
        String body = new String(response.body(), StandardCharsets.UTF_8);
        assertThat(response.statusCode()).as(body).isEqualTo(status);
        assertThat(JSON.readTree(body).get("error").asText()).contains(message);
    }

    private static byte[] png(String colour, String thing) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ImageIO.write(SmallWorld.drawn(colour, thing, 7), "png", bytes);
        return bytes.toByteArray();
    }

    private static String uploaded(byte[] file) throws Exception {
        return good(upload(file)).get("upload").asText();
    }

    private static HttpResponse<byte[]> upload(byte[] file) throws Exception {
        return send(to("/api/uploads")
                .header("Content-Type", "image/png")
                .POST(HttpRequest.BodyPublishers.ofByteArray(file)));
    }

    private static String encoded(String id) {
        return URLEncoder.encode(id, StandardCharsets.UTF_8);
    }

    private static String someWord() {
        return world.index.vector("pictures/3.png").top(1).get(0).word();
    }

    @Test
    void thePageAndItsFilesAreServedAndNothingElse() throws Exception {
        for (String path : List.of("/", "/index.html", "/style.css", "/app.js", "/picture.js", "/icon.svg")) {
            HttpResponse<byte[]> response = send(to(path));
            assertThat(response.statusCode()).isEqualTo(200);
            assertThat(response.body()).isNotEmpty();
        }
        assertThat(send(to("/")).headers().firstValue("Content-Type")).contains("text/html; charset=utf-8");
        HttpResponse<byte[]> head = send(to("/style.css").method("HEAD", HttpRequest.BodyPublishers.noBody()));
        assertThat(head.statusCode()).isEqualTo(200);
        assertThat(head.body()).isEmpty();
        for (String path : List.of("/page/", "/app.js/", "/SearchServer.class", "/api", "/api/", "/api/nothing")) {
            refused(404, "nothing here", send(to(path)));
        }
    }

    @Test
    void aboutSaysWhatThereIs() throws Exception {
        JsonNode about = good(send(to("/api/about")));
        assertThat(about.get("pictures").asInt()).isEqualTo(30);
        assertThat(about.get("shown").asInt()).isEqualTo(30);
        assertThat(about.get("columns").asInt()).isEqualTo(4);
        assertThat(about.get("sample")).hasSize(24);
        assertThat(about.toString()).doesNotContain(directory.toString());
    }

    @Test
    void aTextFindsWhatTheIndexFinds() throws Exception {
        JsonNode answer = answer("/api/search", "{\"text\": \"a red square\", \"k\": 5}");
        try (LexicalBatch texts = world.model.encodeTexts(List.of("a red square"))) {
            LexicalVector query = texts.get(0);
            var hits = world.index.search(query, 5);
            assertThat(answer.get("hits")).hasSize(5);
            for (int i = 0; i < 5; i++) {
                JsonNode hit = answer.get("hits").get(i);
                assertThat(hit.get("id").asText()).isEqualTo(hits.get(i).id());
                assertThat(hit.get("score").floatValue()).isEqualTo(hits.get(i).score());
                WeightedWord share = world.index.explain(query, hits.get(i), 1).get(0);
                assertThat(hit.get("shares").get(0).get("word").asText()).isEqualTo(share.word());
                assertThat(hit.get("shares").get(0).get("weight").floatValue()).isEqualTo(share.weight());
            }
            assertThat(answer.get("active").asInt()).isEqualTo(query.active());
            assertThat(answer.get("words").get(0).get("word").asText())
                    .isEqualTo(query.top(1).get(0).word());
        }
    }

    @Test
    void aTextOfUnknownWordsIsToldSoWithNearOnes() throws Exception {
        JsonNode known = answer("/api/search", "{\"text\": \"a square\"}");
        assertThat(known.get("known").asInt()).isEqualTo(1);
        assertThat(known.get("unknown")).isEmpty();
        JsonNode mistyped = answer("/api/search", "{\"text\": \"a SQUARE sqaure\"}");
        assertThat(mistyped.get("known").asInt()).isEqualTo(1);
        assertThat(mistyped.at("/unknown/sqaure").toString()).contains("square");
        JsonNode strange = answer("/api/search", "{\"text\": \"xqzzw\"}");
        assertThat(strange.get("known").asInt()).isZero();
        assertThat(strange.at("/unknown/xqzzw")).isNotEmpty();
        assertThat(answer("/api/search", "{\"words\": {\"" + someWord() + "\": 1}}")
                        .has("unknown"))
                .isFalse();
    }

    /** Lucene with its own limit, which {@code lexvla serve} raises. */
    @Test
    void moreWordsThanTheEngineTakesAreRefusedAndSaidWhy() throws Exception {
        Path place = directory.resolve("lucene");
        int before = IndexSearcher.getMaxClauseCount();
        try (LexicalBatch batch = world.model.encodeImages(List.copyOf(world.files.values()))) {
            LuceneIndex.create(place, batch, List.copyOf(world.files.keySet()), directory);
        }
        try (LuceneIndex lucene = LuceneIndex.open(place);
                SearchServer server = SearchServer.start(
                        lucene,
                        world.model,
                        ServedPictures.of(world.files),
                        world.allocator,
                        SearchServer.Settings.local(0))) {
            URI search = server.address().resolve("/api/search");
            IndexSearcher.setMaxClauseCount(3);
            refused(
                    422,
                    "words, limit 3",
                    send(HttpRequest.newBuilder(search)
                            .header("Content-Type", "application/json")
                            .POST(HttpRequest.BodyPublishers.ofString("{\"text\": \"a red square\"}"))));
            IndexSearcher.setMaxClauseCount(lucene.vocabulary().size());
            good(send(HttpRequest.newBuilder(search)
                    .header("Content-Type", "application/json")
                    .POST(HttpRequest.BodyPublishers.ofString("{\"text\": \"a red square\"}"))));
        } finally {
            IndexSearcher.setMaxClauseCount(before);
        }
    }

    @Test
    void wordsOfTheQueryMayBeReweightedSwitchedOffAndAdded() throws Exception {
        JsonNode plain = answer("/api/search", "{\"text\": \"a blue disc\", \"k\": 30}");
        String word = plain.get("hits").get(0).get("shares").get(0).get("word").asText();
        JsonNode off =
                answer("/api/search", "{\"text\": \"a blue disc\", \"k\": 30, \"factors\": {\"" + word + "\": 0}}");
        for (JsonNode hit : off.get("hits")) {
            hit.get("shares")
                    .forEach(share -> assertThat(share.get("word").asText()).isNotEqualTo(word));
        }
        // What the words of the text weigh is said as it was, so that sliders stay where they are.
        assertThat(off.get("words")).isEqualTo(plain.get("words"));
        JsonNode added =
                answer("/api/search", "{\"text\": \"a blue disc\", \"k\": 30, \"words\": {\"" + word + "\": 9}}");
        assertThat(added.get("hits").get(0).get("shares").get(0).get("word").asText())
                .isEqualTo(word);
        assertThat(added.get("hits").get(0).get("score").asDouble())
                .isGreaterThan(plain.get("hits").get(0).get("score").asDouble());
    }

    @Test
    void wordsAloneAreAQuery() throws Exception {
        String word = someWord();
        JsonNode answer = answer("/api/search", "{\"words\": {\"" + word + "\": 2}, \"k\": 30}");
        assertThat(answer.get("words")).isEmpty();
        for (JsonNode hit : answer.get("hits")) {
            assertThat(hit.get("shares")).hasSize(1);
            assertThat(hit.get("score").asDouble())
                    .isEqualTo(hit.get("shares").get(0).get("weight").asDouble());
        }
        assertThat(answer("/api/search", "{\"words\": {\"" + word + "\": 0}}").get("hits"))
                .isEmpty();
    }

    @Test
    void aPictureFindsThoseThatShareItsWords() throws Exception {
        JsonNode like = answer("/api/search", "{\"like\": \"pictures/7.png\", \"k\": 3}");
        var hits = world.index.search(world.index.vector("pictures/7.png"), 3);
        for (int i = 0; i < 3; i++) {
            assertThat(like.get("hits").get(i).get("id").asText())
                    .isEqualTo(hits.get(i).id());
        }
        String token = uploaded(png("green", "bar"));
        JsonNode sent = answer("/api/search", "{\"upload\": \"" + token + "\", \"k\": 3}");
        assertThat(sent.get("hits")).hasSize(3);
        assertThat(sent.get("active").asInt()).isPositive();
    }

    @Test
    void suggestionsBeginAsTypedOrAreNear() throws Exception {
        String word = someWord();
        JsonNode begin = good(send(to("/api/words?start=" + word.charAt(0))));
        assertThat(begin.get("spelled").asBoolean()).isTrue();
        assertThat(begin.get("words").get(0).asText()).startsWith(word.substring(0, 1));
        JsonNode near = good(send(to("/api/words?start=rett%C3%BC")));
        assertThat(near.get("spelled").asBoolean()).isFalse();
        assertThat(near.get("words")).isNotEmpty();
    }

    @Test
    void anUnknownWordIsRefusedWithNearOnes() throws Exception {
        HttpResponse<byte[]> response = post("/api/search", "{\"words\": {\"squqre\": 1}}");
        refused(400, "\"squqre\" is not among the", response);
        assertThat(JSON.readTree(response.body()).get("near").toString()).contains("square");
        refused(400, "is not among", post("/api/heat", "{\"id\": \"pictures/1.png\", \"word\": \"squqre\"}"));
    }

    @Test
    void picturesAreServedByIdAloneAndEncodedAnew() throws Exception {
        for (String id : List.of("pictures/5.png", SmallWorld.STRANGE)) {
            BufferedImage small = jpeg(send(to("/api/thumbnail?id=" + encoded(id))));
            assertThat(small.getWidth()).isEqualTo(120);
            BufferedImage square = jpeg(send(to("/api/square?id=" + encoded(id) + "&v=1")));
            assertThat(square.getWidth()).isEqualTo(square.getHeight()).isEqualTo(800);
        }
        assertThat(jpeg(send(to("/api/square?upload=" + uploaded(png("red", "disc")))))
                        .getWidth())
                .isEqualTo(800);
        List<String> foreign =
                new ArrayList<>(List.of("picture1.png", "../captions.tsv", "/etc/passwd", "index/index.json"));
        foreign.add(world.files.get("pictures/5.png").toString());
        foreign.add("pictures/5.png\0.txt");
        for (String id : foreign) {
            refused(404, "no such picture", send(to("/api/thumbnail?id=" + encoded(id))));
            refused(404, "no such picture", send(to("/api/square?id=" + encoded(id))));
            refused(404, "no such picture", post("/api/picture", JSON.writeValueAsString(Map.of("id", id))));
            refused(404, "no such picture", post("/api/search", JSON.writeValueAsString(Map.of("like", id))));
        }
        refused(404, "not kept any more", send(to("/api/square?upload=" + "0".repeat(32))));
        refused(400, "needs the parameter id", send(to("/api/thumbnail")));
    }

    private static BufferedImage jpeg(HttpResponse<byte[]> response) throws IOException {
        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(response.headers().firstValue("Content-Type")).contains("image/jpeg");
        return ImageIO.read(new ByteArrayInputStream(response.body()));
    }

    @Test
    void aPictureIsExplained() throws Exception {
        JsonNode words =
                answer("/api/picture", "{\"id\": \"pictures/4.png\", \"query\": {\"text\": \"a white square\"}}");
        assertThat(words.get("words")).isNotEmpty();
        assertThat(words.get("cloud").asText()).startsWith("<svg ").endsWith("</svg>");
        assertThat(words.get("score").asDouble()).isPositive();
        assertThat(words.get("shares")).isNotEmpty();

        JsonNode all = answer(
                "/api/region", "{\"id\": \"pictures/4.png\", \"patches\": [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]}");
        JsonNode one = answer("/api/region", "{\"id\": \"pictures/4.png\", \"patches\": [5]}");
        assertThat(all.get("words")).isNotEmpty();
        assertThat(one.get("words")).isNotEqualTo(all.get("words"));

        JsonNode text = answer("/api/heat", "{\"id\": \"pictures/4.png\", \"text\": \"a white square\"}");
        assertThat(text.get("heat")).hasSize(16);
        assertThat(text.get("score").asDouble()).isEqualTo(words.get("score").asDouble());
        String word = words.get("words").get(0).get("word").asText();
        JsonNode single = answer("/api/heat", "{\"id\": \"pictures/4.png\", \"word\": \"" + word + "\"}");
        assertThat(single.get("heat")).hasSize(16);
        // What a query of this word by hand scores, which is not what the word's vector does.
        JsonNode byHand =
                answer("/api/picture", "{\"id\": \"pictures/4.png\", \"query\": {\"words\": {\"" + word + "\": 1}}}");
        assertThat(single.get("weight")).isEqualTo(byHand.get("score"));
        assertThat(single.get("score")).isNotEqualTo(single.get("weight"));
        assertThat(text.has("weight")).isFalse();
    }

    @Test
    void onlyTheLastPicturesThatWereSentAreKept() throws Exception {
        String first = uploaded(png("red", "bar"));
        for (int i = 0; i < 8; i++) {
            uploaded(png("blue", "bar"));
        }
        refused(404, "send it again", post("/api/picture", "{\"upload\": \"" + first + "\"}"));
    }

    @Test
    void whatIsNoPictureIsRefused() throws Exception {
        refused(422, "no format that can be read", upload("<svg/>".getBytes(StandardCharsets.UTF_8)));
        refused(422, "no format that can be read", upload(new byte[0]));
        byte[] cut = png("red", "square");
        refused(422, "cannot be", upload(Arrays.copyOf(cut, cut.length / 2)));
        refused(413, "larger than 200000 bytes", upload(new byte[200_001]));
        refused(
                415,
                "Content-Type",
                send(to("/api/uploads")
                        .header("Content-Type", "text/plain")
                        .POST(HttpRequest.BodyPublishers.ofByteArray(cut))));
    }

    @Test
    void aHugePictureInASmallFileIsRefused() throws Exception {
        // A GIF that claims 60000 x 60000 pixels.
        byte[] bomb = {
            'G',
            'I',
            'F',
            '8',
            '9',
            'a',
            0x60,
            (byte) 0xEA,
            0x60,
            (byte) 0xEA,
            0,
            0,
            0,
            0x2C,
            0,
            0,
            0,
            0,
            0x60,
            (byte) 0xEA,
            0x60,
            (byte) 0xEA,
            0,
            2,
            1,
            0,
            0,
            0x3B
        };
        refused(422, "limit 67108864", upload(bomb));
    }

    @Test
    void badRequestsAreSaidToBeBad() throws Exception {
        refused(400, "not JSON", post("/api/search", "{\"text\": "));
        refused(400, "must be a JSON object", post("/api/search", ""));
        refused(400, "not JSON", post("/api/search", "{} {}"));
        refused(400, "not JSON", post("/api/search", "{\"a\":".repeat(9) + "1" + "}".repeat(9)));
        refused(400, "not JSON", post("/api/search", "{\"text\": \"a\", \"text\": \"b\"}"));
        refused(400, "must be a JSON object", post("/api/search", "[1]"));
        refused(400, "unknown field \"path\"", post("/api/search", "{\"path\": \"/etc/passwd\"}"));
        refused(400, "nothing to look for", post("/api/search", "{}"));
        refused(400, "at most one of", post("/api/search", "{\"text\": \"a\", \"like\": \"b\"}"));
        refused(400, "text must be a text", post("/api/search", "{\"text\": 3}"));
        refused(400, "text is empty", post("/api/search", "{\"text\": \"  \"}"));
        refused(400, "limit 1000", post("/api/search", "{\"text\": \"" + "a ".repeat(600) + "b\"}"));
        refused(400, "k must be", post("/api/search", "{\"text\": \"a\", \"k\": 0}"));
        refused(400, "k must be", post("/api/search", "{\"text\": \"a\", \"k\": 1e9}"));
        refused(400, "from 0 to 10", post("/api/search", "{\"words\": {\"red\": -1}}"));
        refused(400, "from 0 to 10", post("/api/search", "{\"words\": {\"red\": \"NaN\"}}"));
        refused(400, "give one of id, upload", post("/api/picture", "{}"));
        refused(400, "give one of text, word", post("/api/heat", "{\"id\": \"pictures/1.png\"}"));
        refused(400, "no patch 16", post("/api/region", "{\"id\": \"pictures/1.png\", \"patches\": [16]}"));
        refused(400, "patches must be", post("/api/region", "{\"id\": \"pictures/1.png\", \"patches\": []}"));
        refused(405, "takes POST", send(to("/api/search")));
        refused(405, "takes GET", post("/api/about", "{}"));
        refused(405, "takes GET", send(to("/").DELETE()));
        refused(
                415,
                "application/json",
                send(to("/api/search").POST(HttpRequest.BodyPublishers.ofString("{\"text\": \"a\"}"))));
        refused(413, "larger than 65536", post("/api/search", "{\"text\": \"" + "a".repeat(70_000) + "\"}"));
    }

    @Test
    void otherWebPagesAreKeptOut() throws Exception {
        String json = "{\"text\": \"a red square\"}";
        for (String[] header : new String[][] {
            {"Origin", "http://evil.test"},
            {"Origin", "null"},
            {"Sec-Fetch-Site", "cross-site"},
            {"Sec-Fetch-Site", "same-site"}
        }) {
            HttpRequest.Builder request = to("/api/search")
                    .header("Content-Type", "application/json")
                    .header(header[0], header[1])
                    .POST(HttpRequest.BodyPublishers.ofString(json));
            refused(403, "another web page", send(request));
        }
        assertThat(raw("GET / HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n"))
                .startsWith("HTTP/1.1 421 ");
        assertThat(raw("GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.test:80\r\nConnection: close\r\n\r\n"))
                .startsWith("HTTP/1.1 421 ");
        for (String host : List.of("localhost:1234", "127.0.0.1", "[::1]:8080", "Pictures.TEST")) {
            assertThat(raw("GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"))
                    .startsWith("HTTP/1.1 200 ");
        }
        String own = world.server.address().getAuthority();
        assertThat(raw("POST /api/search HTTP/1.1\r\nHost: " + own + "\r\nOrigin: http://" + own
                        + "\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/json\r\nContent-Length: "
                        + json.length() + "\r\nConnection: close\r\n\r\n" + json))
                .startsWith("HTTP/1.1 200 ");
        // A link to the page from elsewhere is a visit.
        assertThat(raw("GET / HTTP/1.1\r\nHost: " + own
                        + "\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nConnection: close\r\n\r\n"))
                .startsWith("HTTP/1.1 200 ");
    }

    /** Sends bytes as they are; what comes back until the server hangs up. */
    private static String raw(String request) throws IOException {
        URI address = world.server.address();
        try (Socket socket = new Socket(address.getHost(), address.getPort())) {
            socket.setSoTimeout(20_000);
            OutputStream out = socket.getOutputStream();
            try {
                out.write(request.getBytes(StandardCharsets.ISO_8859_1));
                out.flush();
                socket.shutdownOutput();
            } catch (SocketException e) {
                // It has hung up before it had all of that.
            }
            return drained(socket);
        }
    }

    private static String drained(Socket socket) throws IOException {
        ByteArrayOutputStream answer = new ByteArrayOutputStream();
        try {
            InputStream in = socket.getInputStream();
            byte[] part = new byte[4096];
            for (int n; (n = in.read(part)) >= 0; ) {
                answer.write(part, 0, n);
            }
        } catch (SocketException e) {
            // A reset is an end too.
        }
        return answer.toString(StandardCharsets.ISO_8859_1);
    }

    /** A body that comes after its head, as many clients send it: the connection lives on, and takes the next request. */
    @Test
    void whatIsRefusedByItsHeadIsReadToItsEnd() throws Exception {
        URI address = world.server.address();
        try (Socket socket = new Socket(address.getHost(), address.getPort())) {
            socket.setSoTimeout(20_000);
            OutputStream out = socket.getOutputStream();
            for (String start : List.of("POST /api/about", "POST /nowhere", "PUT /api/search", "DELETE /")) {
                out.write((start + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n")
                        .getBytes(StandardCharsets.ISO_8859_1));
                out.flush();
                Thread.sleep(100);
                out.write("{}".getBytes(StandardCharsets.ISO_8859_1));
                out.flush();
            }
            out.write("GET /api/about HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                    .getBytes(StandardCharsets.ISO_8859_1));
            out.flush();
            assertThat(Pattern.compile("HTTP/1\\.1 (\\d+)")
                            .matcher(drained(socket))
                            .results()
                            .map(status -> status.group(1)))
                    .containsExactly("405", "404", "405", "405", "200");
        }
    }

    @Test
    void anUnknownVersionOfHttpIsABadRequest() throws Exception {
        for (String version : List.of("HTTP/9.9", "HTTP/1.x", "HTTP")) {
            assertThat(raw("GET / " + version + "\r\nHost: localhost\r\n\r\n"))
                    .as(version)
                    .startsWith("HTTP/1.1 400 Bad Request\r\n")
                    .contains("application/json")
                    .endsWith("{\"error\":\"HTTP Version Not Supported\"}");
        }
    }

    @Test
    void twoHundredClientsWithMalformedRequestsDoNoHarm() throws Exception {
        List<String> malformed = List.of(
                "\r\n\r\n\0\1\2\3",
                "NONSENSE\r\n\r\n",
                "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
                "GET /../../../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                "GET /api/thumbnail?id=%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                "GET / HTTP/1.1\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a b c\r\nConnection: close\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + "y".repeat(40_000) + "\r\n\r\n",
                "GET /" + "a".repeat(40_000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
                "POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: -5\r\n\r\n{}",
                "POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
                        + "Content-Length: 9\r\nConnection: close\r\n\r\n{}",
                "POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                        + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                "POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n"
                        + "\r\n{",
                "POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 3\r\n"
                        + "Connection: close\r\n\r\n{\"]");
        ExecutorService clients = Executors.newFixedThreadPool(200);
        try {
            List<Future<String>> answers = new ArrayList<>();
            Random random = new Random(11);
            for (int i = 0; i < 600; i++) {
                String request;
                if (i % 6 == 5) {
                    byte[] noise = new byte[random.nextInt(2000)];
                    random.nextBytes(noise);
                    request = new String(noise, StandardCharsets.ISO_8859_1) + "\r\n\r\n";
                } else {
                    request = malformed.get(i % malformed.size());
                }
                answers.add(clients.submit(() -> raw(request)));
            }
            for (Future<String> answer : answers) {
                String said = answer.get();
                if (!said.isEmpty()) {
                    assertThat(said).matches("(?s)HTTP/1\\.1 4\\d\\d .*");
                    assertThat(said).doesNotContain(directory.toString(), "root:", "Exception", "org.lexvla");
                }
            }
            // And two hundred good ones at once: each is answered, or told when to come again.
            List<Future<Integer>> good = new ArrayList<>();
            for (int i = 0; i < 200; i++) {
                String text = "{\"text\": \"a red square " + i + "\"}";
                good.add(clients.submit(() -> post("/api/search", text).statusCode()));
            }
            int answered = 0;
            for (Future<Integer> status : good) {
                assertThat(status.get()).isIn(200, 503);
                answered += status.get() == 200 ? 1 : 0;
            }
            assertThat(answered).isPositive();
        } finally {
            clients.shutdownNow();
        }
        long threads = Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("lexvla "))
                .count();
        assertThat(threads).isBetween(1L, 15L + Runtime.getRuntime().availableProcessors());
        assertThat(answer("/api/search", "{\"text\": \"a red square\"}").get("hits"))
                .isNotEmpty();
    }

    @Test
    void idleAndSlowClientsAreHungUpOn() throws Exception {
        SearchServer.Settings impatient = new SearchServer.Settings("127.0.0.1", 0, Set.of(), 1000, IDLE_MILLIS);
        try (SearchServer server =
                SearchServer.start(world.index, world.model, ServedPictures.none(), world.allocator, impatient)) {
            URI address = server.address();
            try (Socket idle = new Socket(address.getHost(), address.getPort());
                    Socket slow = new Socket(address.getHost(), address.getPort())) {
                idle.setSoTimeout(20_000);
                slow.setSoTimeout(20_000);
                slow.getOutputStream()
                        .write("GET / HTTP/1.1\r\nHost: localhost\r\nX: ".getBytes(StandardCharsets.ISO_8859_1));
                assertThat(dripsUntilHungUp(slow)).isTrue();
                assertThat(drained(idle)).isEmpty();
            }
        }
    }

    /** Sends a byte a while, which keeps a connection from being idle. */
    private static boolean dripsUntilHungUp(Socket socket) throws Exception {
        for (long end = System.nanoTime() + 15_000_000_000L; System.nanoTime() < end; ) {
            Thread.sleep(IDLE_MILLIS / 7);
            try {
                socket.getOutputStream().write('y');
            } catch (SocketException e) {
                return true;
            }
        }
        return false;
    }

    @Test
    void aModelOfAnotherVocabularyIsRefusedAndATakenPortIsSaid() {
        SearchServer.Settings settings =
                new SearchServer.Settings("127.0.0.1", world.server.address().getPort(), Set.of(), 1000, 1000);
        assertThatExceptionOfType(IOException.class)
                .isThrownBy(() ->
                        SearchServer.start(world.index, world.model, ServedPictures.none(), world.allocator, settings))
                .withMessageContaining("cannot listen at 127.0.0.1:" + settings.port())
                .withMessageContaining("choose another port");
        assertThatExceptionOfType(IllegalArgumentException.class)
                .isThrownBy(() -> SearchServer.Settings.local(70_000))
                .withMessageContaining("0 to 65535");
    }
}
