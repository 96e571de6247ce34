package org.lexvla.training;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A sample that a run does without, or the rest of a shard.
 *
 * @param place  where it stands: a table and the line, a shard and the number
 * @param name   the sample's key, which for a table is its picture; of a shard: empty
 * @param reason for people
 */
public record SkippedSample(String place, String name, String reason) {
    /** Where a run lists them, in its directory. */
    public static final String FILE = "skipped.jsonl";

    /**
     * What a list names; nothing if there is none.
     *
     * @param file JSON, one to a line; a last line that was not written whole is left out
     */
    public static List<SkippedSample> list(Path file) throws IOException {
        List<SkippedSample> samples = new ArrayList<>();
        if (Files.exists(file)) {
            ObjectMapper json = new ObjectMapper();
            for (String line : Files.readAllLines(file)) {
                if (line.endsWith("}")) {
                    samples.add(json.readValue(line, SkippedSample.class));
                }
            }
        }
        return samples;
    }
}
