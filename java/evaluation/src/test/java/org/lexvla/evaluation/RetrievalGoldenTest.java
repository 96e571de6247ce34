package org.lexvla.evaluation;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.lexvla.testing.Golden;

/** Ranks, recall and median ranks of every case of every recall*.json, under all three tie rules, exactly. */
class RetrievalGoldenTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TestFactory
    List<DynamicTest> everyCase() throws IOException {
        List<DynamicTest> tests = new ArrayList<>();
        for (Path file : Golden.files("metrics", ".json")) {
            if (!file.getFileName().toString().startsWith("recall")) {
                continue;
            }
            for (JsonNode test : JSON.readTree(file.toFile()).get("cases")) {
                for (Retrieval.Ties ties : Retrieval.Ties.values()) {
                    tests.add(DynamicTest.dynamicTest(
                            file.getFileName() + ", " + test.get("what").asText() + ", " + ties,
                            () -> check(test, ties)));
                }
            }
        }
        assertThat(tests).isNotEmpty();
        return tests;
    }

    private static void check(JsonNode test, Retrieval.Ties ties) {
        double[][] similarity = JSON.convertValue(test.get("similarity"), double[][].class);
        int[] owner = JSON.convertValue(test.get("owner"), int[].class);
        Retrieval retrieval = Retrieval.of(similarity, owner, ties);
        Map<String, Retrieval.Direction> directions =
                Map.of("i2t", retrieval.imageToText(), "t2i", retrieval.textToImage());
        String rule = ties.name().toLowerCase(Locale.ROOT);
        directions.forEach((name, direction) -> {
            int[] ranks =
                    JSON.convertValue(test.get("ranks_zero_based").get(name).get(rule), int[].class);
            assertThat(direction.ranks()).as("ranks %s", name).isEqualTo(ranks);
            test.get("recall")
                    .get(name)
                    .get(rule)
                    .properties()
                    .forEach(entry -> assertThat(direction.recall(Integer.parseInt(entry.getKey())))
                            .as("%s R@%s", name, entry.getKey())
                            .isEqualTo(entry.getValue().asDouble()));
            assertThat(direction.medianRank())
                    .as("median rank %s", name)
                    .isEqualTo(test.get("median_rank_zero_based")
                            .get(name)
                            .get(rule)
                            .asDouble());
        });
    }
}
