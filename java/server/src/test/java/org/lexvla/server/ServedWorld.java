package org.lexvla.server;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;

/** A small world that is served, and calls to it over real HTTP; of every answer what must hold for all is asserted. */
abstract class ServedWorld {
    static final ObjectMapper JSON = new ObjectMapper();

    static {
        // Less than the server's idle time: a connection that is kept must not be closed while it is taken again.
        System.setProperty("jdk.httpclient.keepalive.timeout", "5");
    }

    static final HttpClient CLIENT = HttpClient.newHttpClient();

    @TempDir
    static Path directory;

    static SmallWorld world;

    @BeforeAll
    static void start() throws IOException {
        world = new SmallWorld(directory);
    }

    @AfterAll
    static void stop() {
        // Closing the allocator fails if anything of a picture was not given back.
        world.close();
    }

    static HttpRequest.Builder to(String path) {
        return HttpRequest.newBuilder(world.server.address().resolve(path)).timeout(Duration.ofSeconds(30));
    }

    static HttpResponse<byte[]> send(HttpRequest.Builder request) throws Exception {
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

    static HttpResponse<byte[]> post(String path, String json) throws Exception {
        return send(
                to(path).header("Content-Type", "application/json").POST(HttpRequest.BodyPublishers.ofString(json)));
    }

    static JsonNode answer(String path, String json) throws Exception {
        return good(post(path, json));
    }

    static JsonNode good(HttpResponse<byte[]> response) throws Exception {
        assertThat(response.statusCode())
                .as(new String(response.body(), StandardCharsets.UTF_8))
                .isEqualTo(200);
        assertThat(response.headers().firstValue("Content-Type")).contains("application/json");
        return JSON.readTree(response.body());
    }

    static void refused(int status, String message, HttpResponse<byte[]> response) throws Exception {
        String body = new String(response.body(), StandardCharsets.UTF_8);
        assertThat(response.statusCode()).as(body).isEqualTo(status);
        assertThat(JSON.readTree(body).get("error").asText()).contains(message);
    }
}
