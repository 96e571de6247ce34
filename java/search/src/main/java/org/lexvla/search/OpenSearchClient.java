package org.lexvla.search;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;

/**
 * Requests to a cluster of OpenSearch. A request goes to the first of its nodes that can be reached; one that cannot is asked again
 * only with the next request.
 */
final class OpenSearchClient {
    private static final Duration TO_CONNECT = Duration.ofSeconds(5);
    private static final Duration TO_ANSWER = Duration.ofMinutes(2);
    private static final ObjectMapper JSON = new ObjectMapper();

    private final List<URI> servers;
    private final HttpClient http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(TO_CONNECT)
            .build();

    /** An answer that is an error. */
    static final class RefusedException extends IOException {
        private static final long serialVersionUID = 1L;
        private final int status;

        RefusedException(int status, String message) {
            super(message);
            this.status = status;
        }

        /** Of HTTP. */
        int status() {
            return status;
        }
    }

    /**
     * @throws IllegalArgumentException if there is no address, or one is not of HTTP
     */
    OpenSearchClient(List<URI> servers) {
        if (servers.isEmpty()) {
            throw new IllegalArgumentException("no address of a cluster: give one such as http://localhost:9200");
        }
        for (URI server : servers) {
            if (server.getHost() == null || !List.of("http", "https").contains(server.getScheme())) {
                throw new IllegalArgumentException(
                        "'" + server + "' is no address of a cluster: give one such as http://localhost:9200");
            }
        }
        this.servers = List.copyOf(servers);
    }

    /** A name as it stands in a path. */
    static String encoded(String name) {
        return URLEncoder.encode(name, StandardCharsets.UTF_8).replace("+", "%20");
    }

    /**
     * Sends a request.
     *
     * @param path with its slash
     * @param body JSON, a line per object in a bulk request; empty for none
     * @return the answer
     * @throws RefusedException if the answer is an error
     * @throws IOException      if no node can be reached, or the answer is no JSON
     */
    JsonNode send(String method, String path, String body) throws IOException {
        IOException unreachable = null;
        for (URI server : servers) {
            HttpRequest request = HttpRequest.newBuilder(server.resolve(path))
                    .timeout(TO_ANSWER)
                    .header("Content-Type", path.endsWith("/_bulk") ? "application/x-ndjson" : "application/json")
                    .method(
                            method,
                            body.isEmpty()
                                    ? HttpRequest.BodyPublishers.noBody()
                                    : HttpRequest.BodyPublishers.ofString(body))
                    .build();
            try {
                return answer(http.send(request, HttpResponse.BodyHandlers.ofString()), server);
            } catch (ConnectException | HttpTimeoutException e) {
                unreachable =
                        new IOException("OpenSearch does not answer at " + server + ": is it running? (" + e + ")", e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new InterruptedIOException("interrupted while waiting for " + server);
            }
        }
        throw unreachable;
    }

    private static JsonNode answer(HttpResponse<String> response, URI server) throws IOException {
        JsonNode json;
        try {
            json = JSON.readTree(response.body());
        } catch (JsonProcessingException e) {
            throw new IOException(
                    server + " answers with status " + response.statusCode() + " and no JSON: is it OpenSearch?", e);
        }
        if (response.statusCode() >= 400) {
            JsonNode cause = json.at("/error/root_cause/0/reason");
            String reason = cause.isMissingNode() ? json.path("error").toString() : cause.asText();
            String deeper =
                    json.at("/error/failed_shards/0/reason/caused_by/reason").asText("");
            throw new RefusedException(
                    response.statusCode(),
                    "OpenSearch at " + server + " refuses with status " + response.statusCode() + ": " + reason
                            + (deeper.isEmpty() ? "" : " (" + deeper + ")"));
        }
        return json;
    }
}
