package org.lexvla.server;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.SocketException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** Connections of other pages, of programs that speak no HTTP and of those that never end: they get an answer or the end, and do no harm. */
class HostileClientsTest extends ServedWorld {
    private static final long IDLE_MILLIS = 700;

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
}
