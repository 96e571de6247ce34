package org.lexvla.training;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** What a run came to. */
final class RunResults {
    private RunResults() {}

    /** All weights of a run byte by byte, and its metrics but for what a clock says. */
    static Map<String, String> of(Path run) throws IOException {
        Map<String, String> results = new LinkedHashMap<>();
        try (Stream<Path> walk = Files.walk(run)) {
            for (Path file : walk.sorted().toList()) {
                if (file.toString().endsWith(".safetensors")
                        && !run.relativize(file).startsWith("checkpoints")) {
                    results.put(run.relativize(file).toString(), HexFormat.of().formatHex(Files.readAllBytes(file)));
                }
            }
        }
        List<String> metrics = new ArrayList<>();
        for (String line : Files.readAllLines(run.resolve("metrics.jsonl"))) {
            ObjectNode report = (ObjectNode) new ObjectMapper().readTree(line);
            report.remove(List.of("picturesPerSecond", "seconds", "dataWait", "memory"));
            metrics.add(report.toString());
        }
        results.put("metrics", String.join("\n", metrics));
        return results;
    }
}
