package org.lexvla.server;

import java.io.IOException;
import java.io.InputStream;
import java.util.LinkedHashMap;
import java.util.Map;

/** The page: a fixed list of files from the class path, read once. Anything else does not exist. */
final class PageFiles {
    /**
     * A file.
     *
     * @param type  its media type
     * @param bytes not to be changed
     */
    record PageFile(String type, byte[] bytes) {}

    private static final Map<String, String> TYPES = Map.of(
            "index.html", "text/html; charset=utf-8",
            "style.css", "text/css; charset=utf-8",
            "app.js", "text/javascript; charset=utf-8",
            "api.js", "text/javascript; charset=utf-8",
            "dom.js", "text/javascript; charset=utf-8",
            "query.js", "text/javascript; charset=utf-8",
            "results.js", "text/javascript; charset=utf-8",
            "picture.js", "text/javascript; charset=utf-8",
            "icon.svg", "image/svg+xml");

    private final Map<String, PageFile> files = new LinkedHashMap<>();

    /**
     * @throws IllegalStateException if the build has left a file out
     */
    PageFiles() {
        TYPES.forEach((name, type) -> files.put("/" + name, new PageFile(type, read(name))));
        files.put("/", files.get("/index.html"));
        files.put("/favicon.ico", files.get("/icon.svg"));
    }

    private static byte[] read(String name) {
        try (InputStream in = PageFiles.class.getResourceAsStream("page/" + name)) {
            if (in == null) {
                throw new IllegalStateException(
                        "page/" + name + " is not on the class path: build the server module again");
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new IllegalStateException("cannot read page/" + name + ": " + e.getMessage(), e);
        }
    }

    /** The file at a path of the server; null if there is none. */
    PageFile at(String path) {
        return files.get(path);
    }
}
