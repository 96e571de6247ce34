package org.lexvla.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.assertj.core.data.Offset;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.lexvla.testing.Golden;

/** InfoNCE and the FLOPs loss against golden/losses, values and gradients, in float64. */
class LossesGoldenTest {
    private static final double RELATIVE = 1e-10;

    @TestFactory
    List<DynamicTest> cases() throws IOException {
        List<DynamicTest> tests = new ArrayList<>();
        for (Path file : Golden.files("losses", ".json")) {
            JsonNode root = new ObjectMapper().readTree(file.toFile());
            for (JsonNode one : root.get("infonce")) {
                tests.add(DynamicTest.dynamicTest("InfoNCE, " + one.get("what").asText(), () -> infoNce(one)));
            }
            for (JsonNode one : root.get("flops")) {
                tests.add(DynamicTest.dynamicTest("FLOPs, " + one.get("what").asText(), () -> flops(one)));
            }
        }
        assertThat(tests).isNotEmpty();
        return tests;
    }

    @SuppressWarnings("try")
    private static void infoNce(JsonNode one) {
        try (PointerScope scope = new PointerScope()) {
            Tensor images = matrix(one.get("image"));
            Tensor texts = matrix(one.get("text"));
            Tensor logScale = HostTensor.of(new double[] {one.get("log_scale").asDouble()})
                    .requires_grad_(true);
            InfoNce.Directions directions = InfoNce.directions(images, texts, logScale);
            close(directions.imageToText().item_double(), one.get("loss_image_to_text"));
            close(directions.textToImage().item_double(), one.get("loss_text_to_image"));
            close(doubles(directions.logits()), one.get("logits"));
            // The cases halve the sum, the paper does not.
            directions.sum().mul(new Scalar(0.5)).backward();
            close(directions.sum().item_double() / 2, one.get("loss"));
            close(doubles(images.grad()), one.get("grad_image"));
            close(doubles(texts.grad()), one.get("grad_text"));
            close(logScale.grad().item_double(), one.get("grad_log_scale"));
            for (int rows : new int[] {1, 2, 3, 100}) {
                TiledInfoNce tiled = new TiledInfoNce(images, texts, Math.exp(logScale.item_double()), rows);
                close(tiled.imageToText(), one.get("loss_image_to_text"));
                close(tiled.textToImage(), one.get("loss_text_to_image"));
                Tensor ofImages = torch.zeros_like(images);
                Tensor ofTexts = torch.zeros_like(texts);
                close(tiled.backward(ofImages, ofTexts) / 2, one.get("grad_log_scale"));
                close(doubles(ofImages.div(new Scalar(2.0))), one.get("grad_image"));
                close(doubles(ofTexts.div(new Scalar(2.0))), one.get("grad_text"));
            }
        }
    }

    @SuppressWarnings("try")
    private static void flops(JsonNode one) {
        try (PointerScope scope = new PointerScope()) {
            Tensor activations = matrix(one.get("activations"));
            Tensor loss = FlopsPenalty.of(activations);
            close(loss.item_double(), one.get("loss"));
            loss.backward();
            close(doubles(activations.grad()), one.get("grad"));
        }
    }

    private static Tensor matrix(JsonNode rows) {
        double[] flat = flat(rows);
        return HostTensor.of(flat, rows.size(), rows.get(0).size()).requires_grad_(true);
    }

    private static double[] flat(JsonNode rows) {
        double[] flat = new double[rows.size() * rows.get(0).size()];
        for (int i = 0; i < flat.length; i++) {
            flat[i] =
                    rows.get(i / rows.get(0).size()).get(i % rows.get(0).size()).asDouble();
        }
        return flat;
    }

    private static double[] doubles(Tensor tensor) {
        Tensor plain = tensor.detach().contiguous();
        double[] values = new double[Math.toIntExact(plain.numel())];
        plain.data_ptr_double().get(values);
        return values;
    }

    private static void close(double actual, JsonNode expected) {
        assertThat(actual).isCloseTo(expected.asDouble(), tolerance(Math.abs(expected.asDouble())));
    }

    /** Entries are judged against the largest of their matrix: small ones are differences of large ones. */
    private static void close(double[] actual, JsonNode expected) {
        double[] wanted = flat(expected);
        assertThat(actual).hasSameSizeAs(wanted);
        double largest = 0;
        for (double value : wanted) {
            largest = Math.max(largest, Math.abs(value));
        }
        for (int i = 0; i < wanted.length; i++) {
            assertThat(actual[i]).as("entry %d", i).isCloseTo(wanted[i], tolerance(largest));
        }
    }

    /** The floor is the round-off of terms of size one, times the scale, that cancel to nothing. */
    private static Offset<Double> tolerance(double size) {
        return within(RELATIVE * size + 256 * Math.ulp(1.0));
    }
}
