package org.lexvla.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.JsonNode;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import javax.imageio.ImageIO;
import org.apache.lucene.search.IndexSearcher;
import org.junit.jupiter.api.Test;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.WeightedWord;
import org.lexvla.search.LuceneIndex;

/** Every endpoint over real HTTP: what it answers to good requests and to bad. */
class SearchServerTest extends ServedWorld {
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
