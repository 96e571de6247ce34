package org.lexvla.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.lexvla.cli.demo.DemoEvaluation;
import org.lexvla.cli.demo.Scene;
import org.lexvla.cli.demo.SceneFiles;
import org.lexvla.cli.demo.SceneGenerator;
import org.lexvla.cli.demo.TinyDemo;
import org.lexvla.evaluation.SegmentationProtocol;
import org.lexvla.model.LexVla;
import picocli.CommandLine;

class PatchDisCommandTest {
    @TempDir
    static Path directory;

    private static double expected;

    @BeforeAll
    static void make() throws Exception {
        List<Scene> scenes = new SceneGenerator(5, 112).generate(SceneGenerator.Split.HELD_OUT, 6, 1);
        SceneFiles.write(directory.resolve("held-out"), scenes);
        try (LexVla model = TinyDemo.model(directory)) {
            model.save(directory.resolve("model"));
            expected = DemoEvaluation.of(model, scenes, 0).figures().patches().miou();
        }
    }

    @Test
    void filesGiveTheSameAsTheScenesThemselves() throws Exception {
        for (String data : List.of("held-out", "held-out/captions.tsv")) {
            JsonNode result = new ObjectMapper().readTree(run(0, data));
            assertThat(result.get("miou").asDouble()).isCloseTo(expected, within(1e-9));
            assertThat(result.get("pictures").asInt()).isEqualTo(6);
            assertThat(result.get("random").asDouble()).isBetween(0.001, 0.1);
            assertThat(result.get("skipped")).isEmpty();
        }
    }

    @Test
    void aPictureWithoutAMaskIsSkippedAndNamed() throws Exception {
        Path broken = directory.resolve("broken");
        SceneFiles.write(broken, new SceneGenerator(5, 112).generate(SceneGenerator.Split.HELD_OUT, 3, 1));
        Files.delete(broken.resolve("masks/00001.png"));
        Files.writeString(broken.resolve("images/00002.png"), "no picture");
        JsonNode result = new ObjectMapper().readTree(run(0, "broken"));
        assertThat(result.get("pictures").asInt()).isEqualTo(1);
        assertThat(result.get("skipped").toString()).contains("00001.png", "00002.png");
        Files.delete(broken.resolve("masks/00000.png"));
        assertThat(run(1, "broken")).isEmpty();
        Files.delete(broken.resolve("scenes.json"));
        assertThat(run(1, "broken")).isEmpty();
    }

    @Test
    void cocoIsMeasuredUnderBothProtocolsAndDrawn() throws Exception {
        // The scenes as instances of COCO: boxes that stand for people and boats in front of nothing.
        StringBuilder categories = new StringBuilder();
        for (int id = 1; id < SegmentationProtocol.VOC_CLASSES.size(); id++) {
            String name = SegmentationProtocol.VOC_CLASSES.get(id);
            categories.append(String.format("%s{\"id\": %d, \"name\": \"%s\"}", id == 1 ? "" : ",", id, name));
        }
        Path json = Files.writeString(directory.resolve("instances_toy.json"), """
                {"images": [{"id": 1, "file_name": "00000.png", "width": 112, "height": 112},
                            {"id": 2, "file_name": "gone.png", "width": 112, "height": 112},
                            {"id": 3, "file_name": "00001.png", "width": 50, "height": 112}],
                 "annotations": [{"image_id": 1, "category_id": 4, "area": 100,
                                  "segmentation": [[0, 0, 56, 0, 56, 56, 0, 56]]}],
                 "categories": [""" + categories + "]}");
        Path plot = directory.resolve("confusion.svg");
        JsonNode result = new ObjectMapper()
                .readTree(run(
                        0,
                        json.getFileName().toString(),
                        "--images",
                        directory.resolve("held-out/images").toString(),
                        "--confusion",
                        plot.toString()));
        assertThat(result.get("pictures").asInt()).isEqualTo(1);
        assertThat(result.get("skipped").toString()).contains("gone.png", "its mask 50x112");
        JsonNode protocols = result.get("protocols");
        assertThat(protocols.get("voc").get("classes").has("background")).isTrue();
        assertThat(protocols.get("coco").get("classes").has("background")).isFalse();
        // One class on labelled pixels: the mean over the classes present is its IoU, the share of pixels taken for it.
        assertThat(protocols.get("coco").get("miou").asDouble())
                .isEqualTo(protocols.get("coco").get("pixel_accuracy").asDouble());
        assertThat(directory.resolve("confusion-voc.svg")).content().contains("aeroplane", "background");
        assertThat(directory.resolve("confusion-coco.svg")).content().doesNotContain("background");
        assertThat(run(1, json.getFileName().toString(), "--split", "val")).isEmpty();
    }

    @Test
    void whatAPanopticFileNamesAndIsNotThereIsCountedAndListed() throws Exception {
        Path masks = Files.createDirectories(directory.resolve("panoptic_toy"));
        BufferedImage mask = new BufferedImage(112, 112, BufferedImage.TYPE_INT_RGB);
        for (int at = 0; at < 112 * 112; at++) {
            mask.setRGB(at % 112, at / 112, 1 << 16);
        }
        ImageIO.write(mask, "png", masks.resolve("00000.png").toFile());
        ImageIO.write(mask, "png", masks.resolve("gone.png").toFile());
        StringBuilder categories = new StringBuilder();
        for (int id = 1; id < SegmentationProtocol.VOC_CLASSES.size(); id++) {
            categories.append(String.format(
                    "%s{\"id\": %d, \"name\": \"%s\", \"isthing\": 1}",
                    id == 1 ? "" : ",", id, SegmentationProtocol.VOC_CLASSES.get(id)));
        }
        StringBuilder images = new StringBuilder();
        StringBuilder annotations = new StringBuilder();
        // One whole, one without its picture, one without its mask.
        List<String> names = List.of("00000", "gone", "00001");
        for (int id = 0; id < names.size(); id++) {
            String comma = id == 0 ? "" : ",";
            images.append(String.format(
                    "%s{\"id\": %d, \"file_name\": \"%s.png\", \"width\": 112, \"height\": 112}",
                    comma, id, names.get(id)));
            annotations.append(String.format(
                    "%s{\"image_id\": %d, \"file_name\": \"%s.png\", \"segments_info\": [{\"id\": 1, \"category_id\": 4}]}",
                    comma, id, names.get(id)));
        }
        Path json = Files.writeString(
                directory.resolve("panoptic_toy.json"),
                "{\"images\": [" + images + "], \"annotations\": [" + annotations + "], \"categories\": [" + categories
                        + "]}");
        JsonNode result = new ObjectMapper()
                .readTree(run(
                        0,
                        json.getFileName().toString(),
                        "--images",
                        directory.resolve("held-out/images").toString()));
        assertThat(result.get("pictures").asInt()).isEqualTo(1);
        assertThat(result.get("skipped")).hasSize(2);
        assertThat(result.get("skipped").toString())
                .contains("gone.png does not exist", "no mask " + masks.resolve("00001.png"));
    }

    @Test
    void namesOfClassesMayStandInAFile() throws Exception {
        Path masks = directory.resolve("masks-only");
        SceneFiles.write(masks, new SceneGenerator(5, 112).generate(SceneGenerator.Split.HELD_OUT, 6, 1));
        Files.delete(masks.resolve("scenes.json"));
        Files.write(masks.resolve("classes.txt"), Scene.classNames());
        JsonNode result = new ObjectMapper().readTree(run(0, "masks-only"));
        assertThat(result.get("miou").asDouble()).isCloseTo(expected, within(1e-9));
        Files.writeString(masks.resolve("classes.txt"), "fox\n");
        assertThat(run(1, "masks-only")).isEmpty();
    }

    private static String run(int exitCode, String data, String... more) {
        PrintStream before = System.out;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        try {
            StringWriter errors = new StringWriter();
            List<String> arguments = new ArrayList<>(List.of("patchdis", "--json", "--model"));
            arguments.add(directory.resolve("model").toString());
            arguments.add("--data");
            arguments.add(directory.resolve(data).toString());
            arguments.addAll(List.of(more));
            int code = new CommandLine(new EvaluateCommand())
                    .setErr(new PrintWriter(errors))
                    .execute(arguments.toArray(String[]::new));
            assertThat(code).as("%s", errors).isEqualTo(exitCode);
            return out.toString(StandardCharsets.UTF_8);
        } finally {
            System.setOut(before);
        }
    }
}
