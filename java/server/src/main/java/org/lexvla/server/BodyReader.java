package org.lexvla.server;

import java.io.ByteArrayOutputStream;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.util.thread.Scheduler;

/**
 * Reads the body of a request as it comes, without a thread that waits for it; up to a size, and within a time. One that is a little
 * too large is read to its end and thrown away: a client that is cut off while it sends never reads the answer.
 */
final class BodyReader {
    /** Times the limit that are read to be polite. */
    private static final int POLITE = 4;

    private final Request request;
    private final int limit;
    private final long millis;
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final CompletableFuture<byte[]> whole = new CompletableFuture<>();
    private long seen;

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
        if (request.getHeaders().getLongField(HttpHeader.CONTENT_LENGTH) > (long) POLITE * limit) {
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
            seen += chunk.remaining();
            if (seen <= limit) {
                byte[] part = new byte[chunk.remaining()];
                chunk.getByteBuffer().get(part);
                bytes.writeBytes(part);
            }
            boolean last = chunk.isLast();
            chunk.release();
            if (seen > limit && (last || seen > (long) POLITE * limit)) {
                whole.completeExceptionally(tooLarge(limit));
            } else if (last) {
                whole.complete(bytes.toByteArray());
            }
        }
    }
}
