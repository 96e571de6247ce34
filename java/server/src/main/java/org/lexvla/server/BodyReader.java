package org.lexvla.server;

import java.io.ByteArrayOutputStream;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.util.thread.Scheduler;

/** Reads the body of a request as it comes, without a thread that waits for it; up to a size, and within a time. */
final class BodyReader {
    private final Request request;
    private final int limit;
    private final long millis;
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final CompletableFuture<byte[]> whole = new CompletableFuture<>();

    private BodyReader(Request request, int limit, long millis) {
        this.request = request;
        this.limit = limit;
        this.millis = millis;
    }

    /**
     * @param limit  bytes
     * @param millis for all of it
     * @return fails with a {@link Refusal}
     */
    static CompletableFuture<byte[]> read(Request request, int limit, long millis) {
        if (request.getHeaders().getLongField(HttpHeader.CONTENT_LENGTH) > limit) {
            return CompletableFuture.failedFuture(tooLarge(limit));
        }
        BodyReader reader = new BodyReader(request, limit, millis);
        Scheduler.Task deadline = request.getComponents()
                .getScheduler()
                .schedule(
                        () -> reader.whole.completeExceptionally(
                                new Refusal(408, "the body has not come within " + millis / 1000 + " s")),
                        millis,
                        TimeUnit.MILLISECONDS);
        reader.whole.whenComplete((body, failure) -> deadline.cancel());
        reader.advance();
        return reader.whole;
    }

    private static Refusal tooLarge(int limit) {
        return new Refusal(413, "the body is larger than " + limit + " bytes");
    }

    private void advance() {
        while (!whole.isDone()) {
            Content.Chunk chunk = request.read();
            if (chunk == null) {
                request.demand(this::advance);
                return;
            }
            if (Content.Chunk.isFailure(chunk)) {
                whole.completeExceptionally(Refusal.badRequest("the body has not come whole"));
                return;
            }
            byte[] part = new byte[chunk.remaining()];
            chunk.getByteBuffer().get(part);
            boolean last = chunk.isLast();
            chunk.release();
            if (bytes.size() + part.length > limit) {
                whole.completeExceptionally(tooLarge(limit));
                return;
            }
            bytes.writeBytes(part);
            if (last) {
                whole.complete(bytes.toByteArray());
            }
        }
    }
}
