package org.lexvla.server;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;

/**
 * What is sent back.
 *
 * @param status of HTTP
 * @param type   media type
 * @param cache  {@code Cache-Control}
 * @param bytes  not to be changed
 */
record Answer(int status, String type, String cache, byte[] bytes) {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String FRESH = "no-store";
    /** Addresses of pictures carry a version that is new with every start. */
    private static final String KEPT = "private, max-age=86400, immutable";

    static Answer json(Object value) {
        return json(200, value);
    }

    static Answer json(int status, Object value) {
        try {
            return new Answer(status, "application/json", FRESH, JSON.writeValueAsBytes(value));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("an answer cannot be written as JSON: " + value.getClass(), e);
        }
    }

    static Answer jpeg(byte[] bytes) {
        return new Answer(200, "image/jpeg", KEPT, bytes);
    }

    static Answer file(PageFiles.PageFile file) {
        return new Answer(200, file.type(), "no-cache", file.bytes());
    }
}
