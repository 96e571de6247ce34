package org.lexvla.server;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

/** A headless Chromium, driven over its DevTools protocol: clicks, keys and pictures as people make and see them. */
final class Browser implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private final Process process;
    private final WebSocket socket;
    private final AtomicInteger calls = new AtomicInteger();
    private final Map<Integer, CompletableFuture<JsonNode>> waiting = new ConcurrentHashMap<>();
    private final List<String> complaints = new CopyOnWriteArrayList<>();

    private Browser(Process process, URI page) {
        this.process = process;
        this.socket = HttpClient.newHttpClient()
                .newWebSocketBuilder()
                .buildAsync(page, new Listener())
                .orTimeout(PATIENCE.toSeconds(), TimeUnit.SECONDS)
                .join();
    }

    /** Where Chromium is: what {@code -Dlexvla.chromium} says, or one on the path. */
    static Optional<Path> find() {
        String given = System.getProperty("lexvla.chromium", "");
        if (!given.isEmpty()) {
            return Optional.of(Path.of(given));
        }
        return Stream.of("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
                .flatMap(name -> Stream.of(System.getenv("PATH").split(File.pathSeparator))
                        .map(directory -> Path.of(directory, name)))
                .filter(Files::isExecutable)
                .findFirst();
    }

    /**
     * Starts one.
     *
     * @param profile an empty directory
     */
    static Browser start(Path chromium, Path profile) throws Exception {
        List<String> command =
                new ArrayList<>(List.of(chromium.toString(), "--headless", "--no-sandbox", "--disable-gpu"));
        command.addAll(List.of("--disable-background-networking", "--disable-component-update", "--disable-sync"));
        command.addAll(List.of("--no-first-run", "--disable-dev-shm-usage", "--hide-scrollbars"));
        command.addAll(List.of("--remote-debugging-port=0", "--user-data-dir=" + profile, "about:blank"));
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        try {
            Path port = profile.resolve("DevToolsActivePort");
            for (long end = System.nanoTime() + PATIENCE.toNanos(); ; ) {
                if (Files.exists(port) && Files.readAllLines(port).size() >= 2) {
                    break;
                }
                assertThat(process.isAlive() && System.nanoTime() < end)
                        .as("%s does not start", chromium)
                        .isTrue();
                Thread.sleep(20);
            }
            URI list = URI.create("http://127.0.0.1:" + Files.readAllLines(port).get(0) + "/json/list");
            JsonNode targets = JSON.readTree(HttpClient.newHttpClient()
                    .send(HttpRequest.newBuilder(list).build(), HttpResponse.BodyHandlers.ofString())
                    .body());
            for (JsonNode target : targets) {
                if (target.get("type").asText().equals("page")) {
                    Browser browser = new Browser(
                            process,
                            URI.create(target.get("webSocketDebuggerUrl").asText()));
                    for (String domain : List.of("Page", "Runtime", "Log", "DOM")) {
                        browser.call(domain + ".enable", Map.of());
                    }
                    return browser;
                }
            }
            throw new IOException("no page among " + targets);
        } catch (Exception | AssertionError e) {
            process.destroyForcibly();
            throw e;
        }
    }

    /** Collects messages and what the page complains of. */
    private final class Listener implements WebSocket.Listener {
        private final StringBuilder message = new StringBuilder();

        @Override
        public CompletionStage<?> onText(WebSocket from, CharSequence part, boolean last) {
            message.append(part);
            if (last) {
                take(message.toString());
                message.setLength(0);
            }
            from.request(1);
            return null;
        }

        private void take(String text) {
            JsonNode said;
            try {
                said = JSON.readTree(text);
            } catch (IOException e) {
                complaints.add("DevTools said " + text);
                return;
            }
            if (said.has("id")) {
                waiting.remove(said.get("id").asInt()).complete(said);
            }
            JsonNode parameters = said.path("params");
            switch (said.path("method").asText()) {
                case "Runtime.exceptionThrown" ->
                    complaints.add(parameters.path("exceptionDetails").toString());
                case "Log.entryAdded" -> {
                    if (parameters.path("entry").path("level").asText().equals("error")) {
                        complaints.add(parameters.path("entry").toString());
                    }
                }
                default -> {
                    // Nothing to complain of.
                }
            }
        }
    }

    /** Errors of scripts, failed requests and violations of the page's policy since the last call of this. */
    List<String> complaints() {
        List<String> all = List.copyOf(complaints);
        complaints.clear();
        return all;
    }

    /** Calls the protocol. */
    JsonNode call(String method, Map<String, ?> parameters) throws Exception {
        int id = calls.incrementAndGet();
        CompletableFuture<JsonNode> answer = new CompletableFuture<>();
        waiting.put(id, answer);
        socket.sendText(JSON.writeValueAsString(Map.of("id", id, "method", method, "params", parameters)), true)
                .join();
        JsonNode said = answer.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        assertThat(said.has("error")).as("%s: %s", method, said).isFalse();
        return said.get("result");
    }

    /** The value of an expression in the page. */
    JsonNode evaluate(String expression) throws Exception {
        JsonNode result =
                call("Runtime.evaluate", Map.of("expression", expression, "returnByValue", true, "awaitPromise", true));
        assertThat(result.has("exceptionDetails"))
                .as("%s: %s", expression, result)
                .isFalse();
        return result.path("result").path("value");
    }

    /** Waits until an expression is true. */
    void until(String expression) throws Exception {
        for (long end = System.nanoTime() + PATIENCE.toNanos();
                !evaluate(expression).asBoolean(); ) {
            if (System.nanoTime() > end) {
                throw new AssertionError("never true: " + expression + "; the page complains of " + complaints
                        + " and shows " + evaluate("document.body.innerText"));
            }
            Thread.sleep(30);
        }
    }

    /** Opens an address and waits until it is loaded. */
    void open(String address) throws Exception {
        // The same page with another fragment would not be loaded anew.
        call("Page.navigate", Map.of("url", "about:blank"));
        until("location.href === 'about:blank'");
        call("Page.navigate", Map.of("url", address));
        until("location.href !== 'about:blank' && document.readyState === 'complete'");
    }

    /** Clicks the middle of an element. */
    void click(String selector) throws Exception {
        drag(selector, 0.5, 0.5, 0.5, 0.5);
    }

    /** Drags the mouse over an element; places are shares of its width and height. */
    void drag(String selector, double fromX, double fromY, double toX, double toY) throws Exception {
        JsonNode box = evaluate("(() => { const e = document.querySelector('" + selector
                + "'); e.scrollIntoView({block: 'nearest', behavior: 'instant'});"
                + " const b = e.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; })()");
        mouse("mousePressed", box, fromX, fromY);
        if (fromX != toX || fromY != toY) {
            mouse("mouseMoved", box, (fromX + toX) / 2, (fromY + toY) / 2);
            mouse("mouseMoved", box, toX, toY);
        }
        mouse("mouseReleased", box, toX, toY);
    }

    private void mouse(String type, JsonNode box, double x, double y) throws Exception {
        call(
                "Input.dispatchMouseEvent",
                Map.of(
                        "type",
                        type,
                        "x",
                        box.get(0).asDouble() + x * box.get(2).asDouble(),
                        "y",
                        box.get(1).asDouble() + y * box.get(3).asDouble(),
                        "button",
                        "left",
                        "buttons",
                        type.equals("mouseReleased") ? 0 : 1,
                        "clickCount",
                        1));
    }

    /** Types into what has the focus. */
    void type(String text) throws Exception {
        call("Input.insertText", Map.of("text", text));
    }

    /** Presses a key, such as {@code Enter}. */
    void press(String key, int code) throws Exception {
        for (String type : List.of("keyDown", "keyUp")) {
            call(
                    "Input.dispatchKeyEvent",
                    Map.of(
                            "type", type,
                            "key", key,
                            "code", key,
                            "windowsVirtualKeyCode", code,
                            "text", key.equals("Enter") && type.equals("keyDown") ? "\r" : ""));
        }
    }

    /** Chooses a file for an input. */
    void choose(String selector, Path file) throws Exception {
        int root = call("DOM.getDocument", Map.of()).path("root").path("nodeId").asInt();
        int node = call("DOM.querySelector", Map.of("nodeId", root, "selector", selector))
                .path("nodeId")
                .asInt();
        call("DOM.setFileInputFiles", Map.of("nodeId", node, "files", List.of(file.toString())));
    }

    /** Sizes the window, of a phone if it is narrow; and wants it dark or light. */
    void look(int width, int height, boolean dark) throws Exception {
        call(
                "Emulation.setDeviceMetricsOverride",
                Map.of("width", width, "height", height, "deviceScaleFactor", 1, "mobile", width < 600));
        call(
                "Emulation.setEmulatedMedia",
                Map.of("features", List.of(Map.of("name", "prefers-color-scheme", "value", dark ? "dark" : "light"))));
    }

    /** Writes what is in the window as PNG. */
    void picture(Path file) throws Exception {
        Files.createDirectories(file.getParent());
        String data = call("Page.captureScreenshot", Map.of("format", "png"))
                .get("data")
                .asText();
        Files.write(file, Base64.getDecoder().decode(data));
    }

    @Override
    public void close() {
        socket.abort();
        process.destroy();
        process.onExit()
                .orTimeout(PATIENCE.toSeconds(), TimeUnit.SECONDS)
                .exceptionally(late -> process.destroyForcibly())
                .join();
    }
}
