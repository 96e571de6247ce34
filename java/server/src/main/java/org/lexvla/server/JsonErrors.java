package org.lexvla.server;

import java.nio.ByteBuffer;
import java.util.Map;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.handler.ErrorHandler;
import org.eclipse.jetty.util.Callback;

/** What is said of requests that are no HTTP, or that fail before they get to us: the same JSON, without what is inside. */
final class JsonErrors extends ErrorHandler {
    @Override
    public boolean errorPageForMethod(String method) {
        return true;
    }

    @Override
    protected void generateResponse(
            Request request, Response response, int code, String message, Throwable cause, Callback callback) {
        for (var header : Guard.HEADERS) {
            response.getHeaders().put(header);
        }
        response.getHeaders().put(HttpHeader.CONTENT_TYPE, "application/json");
        // Nothing failed here: a client that speaks no version of HTTP is as wrong as one that speaks no HTTP.
        int status = code == HttpStatus.HTTP_VERSION_NOT_SUPPORTED_505 ? HttpStatus.BAD_REQUEST_400 : code;
        response.setStatus(status);
        byte[] bytes = Answer.json(status, Map.of("error", HttpStatus.getMessage(code)))
                .bytes();
        response.write(true, ByteBuffer.wrap(bytes), callback);
    }
}
