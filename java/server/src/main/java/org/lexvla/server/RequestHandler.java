package org.lexvla.server;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Semaphore;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.Fields.Field;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** From a request to its answer: lets in, finds the route, reads the body, writes what comes. Holds up no thread. */
final class RequestHandler extends Handler.Abstract.NonBlocking {
    private static final Logger LOG = LoggerFactory.getLogger(RequestHandler.class);
    private static final int MAX_JSON = 64 << 10;
    private static final long JSON_MILLIS = 10_000;
    private static final long PICTURE_MILLIS = 60_000;
    /** Bodies of pictures that are held at once, from their first byte until the model has seen them. */
    private static final int PICTURES = 4;

    private final Guard guard;
    private final PageFiles page;
    private final Map<String, Route> routes;
    private final int maxPicture;
    private final Semaphore uploads = new Semaphore(PICTURES);

    /**
     * @param routes     by path
     * @param maxPicture bytes
     */
    RequestHandler(Guard guard, PageFiles page, Map<String, Route> routes, int maxPicture) {
        this.guard = guard;
        this.page = page;
        this.routes = routes;
        this.maxPicture = maxPicture;
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) {
        CompletableFuture<Answer> answer;
        try {
            guard.require(request);
            answer = answer(request);
        } catch (RuntimeException e) {
            answer = refuse(request, response, e);
        }
        answer.whenComplete((found, failure) ->
                write(request, response, failure == null ? found : failed(response, failure), callback));
        return true;
    }

    /** What is refused by its head is read to its end first: a client that is cut off while it sends never reads the answer. */
    private static CompletableFuture<Answer> refuse(Request request, Response response, RuntimeException refusal) {
        return BodyReader.read(request, MAX_JSON, JSON_MILLIS).handle((body, failure) -> {
            if (failure != null) {
                response.getHeaders().put(HttpHeader.CONNECTION, "close");
            }
            throw refusal;
        });
    }

    private CompletableFuture<Answer> answer(Request request) {
        String path = Request.getPathInContext(request);
        PageFiles.PageFile file = page.at(path);
        Route route = file == null
                ? routes.get(path)
                : Route.get(call -> CompletableFuture.completedFuture(Answer.file(file)));
        if (route == null) {
            throw new Refusal(404, "there is nothing here");
        }
        String method = request.getMethod();
        if (!method.equals(route.method())
                && !(method.equals("HEAD") && route.method().equals("GET"))) {
            throw new Refusal(405, "this takes " + route.method());
        }
        Map<String, String> parameters = parameters(request);
        return switch (route.body()) {
            case NONE -> route.endpoint().answer(new Call(parameters, new byte[0]));
            case JSON -> {
                requireType(request, "application/json");
                yield BodyReader.read(request, MAX_JSON, JSON_MILLIS)
                        .thenCompose(body -> route.endpoint().answer(new Call(parameters, body)));
            }
            case PICTURE -> {
                requireType(request, "image/");
                yield picture(request, route, parameters);
            }
        };
    }

    private CompletableFuture<Answer> picture(Request request, Route route, Map<String, String> parameters) {
        if (!uploads.tryAcquire()) {
            throw Refusal.busy();
        }
        CompletableFuture<Answer> answer;
        try {
            answer = BodyReader.read(request, maxPicture, PICTURE_MILLIS)
                    .thenCompose(body -> route.endpoint().answer(new Call(parameters, body)));
        } catch (RuntimeException e) {
            uploads.release();
            throw e;
        }
        return answer.whenComplete((found, failure) -> uploads.release());
    }

    /** These types are such as no form of another page can send. */
    private static void requireType(Request request, String start) {
        String type = request.getHeaders().get(HttpHeader.CONTENT_TYPE);
        if (type == null || !type.toLowerCase(Locale.ROOT).startsWith(start)) {
            throw new Refusal(415, "the Content-Type must be " + start + (start.endsWith("/") ? "…" : ""));
        }
    }

    private static Map<String, String> parameters(Request request) {
        Map<String, String> parameters = new LinkedHashMap<>();
        try {
            for (Field field : Request.extractQueryParameters(request)) {
                parameters.putIfAbsent(field.getName(), field.getValue());
            }
        } catch (RuntimeException e) {
            throw Refusal.badRequest("the parameters of the address cannot be read");
        }
        return parameters;
    }

    private Answer failed(Response response, Throwable failure) {
        Throwable cause = failure;
        while (cause instanceof CompletionException && cause.getCause() != null) {
            cause = cause.getCause();
        }
        if (cause instanceof Refusal refusal) {
            if (refusal.status() == 503) {
                response.getHeaders().put(HttpHeader.RETRY_AFTER, "1");
            }
            if (refusal.status() == 408 || refusal.status() == 413) {
                // What else comes is not worth reading.
                response.getHeaders().put(HttpHeader.CONNECTION, "close");
            }
            return error(refusal.status(), refusal.getMessage(), refusal);
        }
        LOG.error("a request failed", cause);
        if (cause instanceof OutOfMemoryError) {
            return error(503, "not enough memory for this at the moment", null);
        }
        if (cause instanceof IOException) {
            return error(502, "the index does not answer", null);
        }
        return error(500, "this failed; the server's log says why", null);
    }

    private static Answer error(int status, String message, Refusal refusal) {
        Map<String, Object> error = new LinkedHashMap<>();
        error.put("error", message);
        if (refusal != null && !refusal.near().isEmpty()) {
            error.put("near", refusal.near());
        }
        return Answer.json(status, error);
    }

    private static void write(Request request, Response response, Answer answer, Callback callback) {
        response.setStatus(answer.status());
        for (var header : Guard.HEADERS) {
            response.getHeaders().put(header);
        }
        response.getHeaders().put(HttpHeader.CONTENT_TYPE, answer.type());
        response.getHeaders().put(HttpHeader.CACHE_CONTROL, answer.cache());
        response.getHeaders().put(HttpHeader.CONTENT_LENGTH, answer.bytes().length);
        if (answer.status() == 405) {
            response.getHeaders().put(HttpHeader.ALLOW, "GET, HEAD, POST");
        }
        response.write(true, ByteBuffer.wrap(answer.bytes()), callback);
    }
}
