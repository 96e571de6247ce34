package org.lexvla.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.lexvla.testing.Golden;

/** Confusion matrix, IoU and both means of every miou*.json, exactly. */
class PatchDisGoldenTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TestFactory
    List<DynamicTest> everyFile() throws IOException {
        List<DynamicTest> tests = new ArrayList<>();
        for (Path file : Golden.files("metrics", ".json")) {
            if (file.getFileName().toString().startsWith("miou")) {
                JsonNode golden = JSON.readTree(file.toFile());
                tests.add(DynamicTest.dynamicTest(file.getFileName().toString(), () -> check(golden)));
            }
        }
        assertThat(tests).isNotEmpty();
        return tests;
    }

    private static void check(JsonNode golden) {
        int classes = golden.get("classes").asInt();
        int ignore = golden.get("ignore_label").asInt();
        ConfusionMatrix total = new ConfusionMatrix(classes, ignore);
        double sumOfMeans = 0;
        int maps = golden.get("maps").size();
        for (int i = 0; i < maps; i++) {
            int[] truth = pixels(golden.get("maps").get(i).get("ground_truth"));
            int[] prediction = pixels(golden.get("maps").get(i).get("prediction"));
            total.add(truth, prediction);
            ConfusionMatrix one = new ConfusionMatrix(classes, ignore);
            one.add(truth, prediction);
            checkMeasures(one, golden.get("per_image").get(i));
            sumOfMeans += one.meanIouWithPredicted();
        }
        checkMeasures(total, golden.get("total"));
        long[][] counts = JSON.convertValue(golden.get("confusion_total"), long[][].class);
        for (int truth = 0; truth < classes; truth++) {
            for (int prediction = 0; prediction < classes; prediction++) {
                assertThat(total.count(truth, prediction)).isEqualTo(counts[truth][prediction]);
            }
        }
        assertThat(sumOfMeans / maps)
                .isCloseTo(golden.get("mean_of_per_image_miou").asDouble(), within(1e-10));
        ConfusionMatrix itself = new ConfusionMatrix(classes, ignore);
        // Which map was compared with itself is told by its counts; the means are 1 for any.
        int[] prediction = pixels(golden.get("maps").get(0).get("prediction"));
        itself.add(prediction, prediction);
        checkMeasures(itself, golden.get("prediction_against_itself"));
    }

    private static void checkMeasures(ConfusionMatrix matrix, JsonNode golden) {
        for (int label = 0; label < matrix.classes(); label++) {
            assertThat(matrix.intersection(label))
                    .isEqualTo(golden.get("intersection").get(label).asLong());
            assertThat(matrix.union(label))
                    .isEqualTo(golden.get("union").get(label).asLong());
            JsonNode iou = golden.get("iou").get(label);
            if (iou.isNull()) {
                assertThat(matrix.iou(label)).isEmpty();
            } else {
                assertThat(matrix.iou(label)).hasValue(iou.asDouble());
            }
        }
        assertThat(matrix.meanIouWithPredicted())
                .isCloseTo(golden.get("miou_over_classes_with_union").asDouble(), within(1e-10));
        assertThat(matrix.meanIou())
                .isCloseTo(golden.get("miou_over_classes_in_ground_truth").asDouble(), within(1e-10));
        assertThat(matrix.pixelAccuracy())
                .isCloseTo(golden.get("pixel_accuracy").asDouble(), within(1e-10));
    }

    private static int[] pixels(JsonNode rows) {
        return Arrays.stream(JSON.convertValue(rows, int[][].class))
                .flatMapToInt(Arrays::stream)
                .toArray();
    }
}
