package org.lexvla.training;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** {@code metrics.jsonl}: a {@link StepReport} as JSON per line, each written at once, so that a run can be watched. */
final class Metrics implements AutoCloseable {
    private final ObjectMapper mapper = new ObjectMapper();
    private final FileChannel channel;

    private Metrics(FileChannel channel) {
        this.channel = channel;
    }

    /**
     * Goes on with a file, or begins one.
     *
     * @param bytes that stay of it, as {@link #sync} gave them; what came later is cut off
     */
    static Metrics open(Path file, long bytes) throws IOException {
        FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        channel.truncate(bytes);
        channel.position(channel.size());
        return new Metrics(channel);
    }

    void write(StepReport report) throws IOException {
        ByteBuffer line = ByteBuffer.wrap((mapper.writeValueAsString(report) + "\n").getBytes(StandardCharsets.UTF_8));
        try {
            while (line.hasRemaining()) {
                channel.write(line);
            }
        } catch (IOException e) {
            throw new IOException(
                    "step " + report.step() + " cannot be written to metrics.jsonl: " + e.getMessage()
                            + "; when that is mended the run can be resumed from its last checkpoint",
                    e);
        }
    }

    /** Brings all lines to the disk and says how many bytes they are. */
    long sync() throws IOException {
        channel.force(false);
        return channel.position();
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
