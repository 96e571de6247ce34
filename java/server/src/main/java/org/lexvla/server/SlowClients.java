package org.lexvla.server;

import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.io.Connection;
import org.eclipse.jetty.util.thread.Scheduler;

/**
 * Hangs up on clients that send the head of a request byte by byte. Each byte begins Jetty's idle time anew, so such a client would
 * keep its connection for ever, and there is only a limited number of them.
 */
final class SlowClients implements Connection.Listener {
    private final Scheduler scheduler;
    private final long millis;

    /**
     * @param millis within which a head must have come; up to twice as long for one that begins late
     */
    SlowClients(Scheduler scheduler, long millis) {
        this.scheduler = scheduler;
        this.millis = millis;
    }

    @Override
    public void onOpened(Connection connection) {
        watch(connection, 0, 0);
    }

    private void watch(Connection connection, long messages, long bytes) {
        scheduler.schedule(() -> look(connection, messages, bytes), millis, TimeUnit.MILLISECONDS);
    }

    private void look(Connection connection, long messages, long bytes) {
        if (!connection.getEndPoint().isOpen()) {
            return;
        }
        long now = connection.getMessagesIn();
        boolean working = connection.getMessagesOut() < now;
        boolean dripping = !working && now == messages && connection.getBytesIn() > bytes;
        if (dripping) {
            // Not connection.close(), which would still answer.
            connection.getEndPoint().close();
        } else {
            watch(connection, now, connection.getBytesIn());
        }
    }

    @Override
    public void onClosed(Connection connection) {
        // The next look finds it closed.
    }
}
