package org.lexvla.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.lexvla.evaluation.CocoSegmentation;
import org.lexvla.evaluation.MaskDirectory;
import org.lexvla.evaluation.SegmentationProtocol;
import org.lexvla.evaluation.SegmentedPictures;
import picocli.CommandLine.Option;

/** {@code --data} of pictures with masks, in any of the layouts. */
final class SegmentationOptions {
    private static final ObjectMapper JSON = new ObjectMapper();

    enum Protocol {
        VOC,
        COCO,
        LABELS
    }

    @Option(
            names = "--data",
            required = true,
            paramLabel = "DATA",
            description =
                    "MSCOCO panoptic_*.json or instances_*.json; a PASCAL VOC directory; or a directory with images/ and"
                            + " masks/ (8-bit PNG, indices of classes, 255 ignored) and the names of the classes, by label, a line each"
                            + " in classes.txt or under \"classes\" in scenes.json (or the captions.tsv in it).")
    private Path data;

    @Option(
            names = "--images",
            paramLabel = "DIR",
            description = "Where the pictures of a JSON file lie, such as val2017/ (default: beside it).")
    private Path images;

    @Option(
            names = "--masks",
            paramLabel = "DIR",
            description =
                    "Where the PNG files of a panoptic JSON lie (default: the directory beside it that has its name).")
    private Path masks;

    @Option(
            names = "--split",
            paramLabel = "NAME",
            description = "Of a PASCAL VOC directory: train, val or trainval (default: val).")
    private String split;

    @Option(
            names = "--protocol",
            split = ",",
            paramLabel = "NAME,...",
            hideParamSyntax = true,
            description =
                    "voc: the 20 classes of VOC and background, on COCO every other pixel. coco: the 80 things of COCO,"
                            + " other pixels ignored. labels: every label of the masks (default: voc,coco for COCO, labels for"
                            + " masks).")
    private List<Protocol> protocols;

    private boolean isJson() {
        return Inputs.extension(data).equals("json");
    }

    SegmentedPictures get() throws IOException {
        Inputs.require(data);
        if (isJson()) {
            Path directory = images == null ? data.toAbsolutePath().getParent() : images;
            Inputs.require(directory);
            refuse("--split", split);
            return CocoSegmentation.read(data, directory, masks);
        }
        refuse("--images", images);
        refuse("--masks", masks);
        Path directory = Files.isDirectory(data) ? data : data.toAbsolutePath().getParent();
        if (Files.isDirectory(directory.resolve("SegmentationClass"))) {
            return MaskDirectory.voc(directory, split == null ? "val" : split);
        }
        refuse("--split", split);
        List<SegmentedPictures.Picture> pictures = new ArrayList<>();
        List<String> names = classNames(directory);
        for (Inputs.Picture picture : Inputs.pictures(directory.resolve("images"))) {
            pictures.add(new SegmentedPictures.Picture(picture.id(), picture.file()));
        }
        return new MaskDirectory(names, pictures, directory.resolve("masks"));
    }

    private void refuse(String option, Object given) {
        if (given != null) {
            throw new IllegalArgumentException(option + " says nothing about " + data + ": see --help for its layout");
        }
    }

    /** What is measured: what was asked for, or what fits the layout. */
    List<SegmentationProtocol> protocols(SegmentedPictures source) {
        List<Protocol> wanted = protocols != null
                ? protocols
                : isJson() ? List.of(Protocol.VOC, Protocol.COCO) : List.of(Protocol.LABELS);
        return wanted.stream()
                .distinct()
                .map(protocol -> switch (protocol) {
                    case VOC -> SegmentationProtocol.voc(source.categories());
                    case COCO -> SegmentationProtocol.things(source.categories());
                    case LABELS -> SegmentationProtocol.labels(source.categories());
                })
                .toList();
    }

    private static List<String> classNames(Path directory) throws IOException {
        Path lines = directory.resolve("classes.txt");
        Path scenes = directory.resolve("scenes.json");
        if (Files.isRegularFile(lines)) {
            return Files.readAllLines(lines).stream()
                    .filter(line -> !line.isBlank())
                    .map(String::strip)
                    .toList();
        }
        if (!Files.isRegularFile(scenes)) {
            throw new NoSuchFileException(lines + " or " + scenes.getFileName() + " (names the classes of the masks)");
        }
        List<String> names = new ArrayList<>();
        for (JsonNode name : JSON.readTree(scenes.toFile()).path("classes")) {
            names.add(name.asText());
        }
        if (names.isEmpty()) {
            throw new IllegalArgumentException(scenes + " has no \"classes\": give the class names, by label");
        }
        return names;
    }
}
