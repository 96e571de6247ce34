package org.lexvla.training;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** {@code metrics.jsonl}: a {@link StepReport} as JSON per line, flushed, so that a run can be watched. */
final class Metrics implements AutoCloseable {
    private final ObjectMapper mapper = new ObjectMapper();
    private final BufferedWriter writer;

    private Metrics(BufferedWriter writer) {
        this.writer = writer;
    }

    static Metrics open(Path file) throws IOException {
        return new Metrics(Files.newBufferedWriter(file));
    }

    void write(StepReport report) throws IOException {
        writer.write(mapper.writeValueAsString(report));
        writer.newLine();
        writer.flush();
    }

    @Override
    public void close() throws IOException {
        writer.close();
    }
}
