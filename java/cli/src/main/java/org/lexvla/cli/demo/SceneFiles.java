package org.lexvla.cli.demo;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.awt.Color;
import java.awt.image.BufferedImage;
import java.awt.image.IndexColorModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Writes scenes to a directory:
 *
 * <pre>
 * captions.tsv        file, caption: one row per caption
 * images/00000.png    RGB
 * masks/00000.png     8-bit indexed; the index is the class ({@link Scene#classNames()}), the palette is for people
 * scenes.json         class names, groups of synonyms, and for each scene its parties, background, true words and captions
 * </pre>
 */
public final class SceneFiles {
    /** Kinds strong, backgrounds pale and near to what they look like; in the order of {@link Scene#classNames()}. */
    private static final int[] CLASS_COLOURS = {
        0x8C2D19, 0x2E7D32, 0xE07A1F, 0xF2C14E, 0x1F77B4, 0xD62780, 0xE86FB0, 0x6A3D9A, 0x00A6A6, 0xB5179E, 0xC1121F,
        0x7F5539, 0x8ECFDD, 0xB9DE92, 0xF1DEB0, 0xDDE6F0, 0x4B527F, 0xBFE3FA
    };

    private static final IndexColorModel PALETTE = palette();

    private SceneFiles() {}

    /** The palette that mask pictures use, by class index. */
    public static Color colourOf(int classIndex) {
        return new Color(PALETTE.getRGB(classIndex));
    }

    /**
     * Draws the scenes and writes everything into the directory, which is made if missing.
     *
     * @return the pictures, in the order of the scenes
     */
    public static List<Path> write(Path directory, List<Scene> scenes) throws IOException {
        Path images = Files.createDirectories(directory.resolve("images"));
        Path masks = Files.createDirectories(directory.resolve("masks"));
        List<Path> written = new ArrayList<>(scenes.size());
        StringBuilder table = new StringBuilder("file\tcaption\n");
        for (Scene scene : scenes) {
            DrawnScene drawn = scene.draw();
            String file = scene.name() + ".png";
            Path picture = images.resolve(file);
            int size = scene.size();
            Files.write(picture, PngEncoder.rgb(drawn.picture().getRGB(0, 0, size, size, null, 0, size), size, size));
            Files.write(masks.resolve(file), PngEncoder.indexed(drawn.classes(), size, size, paletteColours()));
            written.add(picture);
            for (String caption : scene.captions()) {
                table.append("images/")
                        .append(file)
                        .append('\t')
                        .append(caption)
                        .append('\n');
            }
        }
        Files.writeString(directory.resolve("captions.tsv"), table);
        new ObjectMapper()
                .writerWithDefaultPrettyPrinter()
                .writeValue(directory.resolve("scenes.json").toFile(), describe(scenes));
        return written;
    }

    /** A class map as a picture with 8-bit indices. */
    public static BufferedImage mask(byte[] classes, int size) {
        BufferedImage image = new BufferedImage(size, size, BufferedImage.TYPE_BYTE_INDEXED, PALETTE);
        image.getRaster().setDataElements(0, 0, size, size, classes);
        return image;
    }

    private static int[] paletteColours() {
        int[] colours = new int[256];
        PALETTE.getRGBs(colours);
        return colours;
    }

    private static ObjectNode describe(List<Scene> scenes) {
        ObjectMapper mapper = new ObjectMapper();
        ObjectNode root = mapper.createObjectNode();
        Scene.classNames().forEach(root.putArray("classes")::add);
        ArrayNode synonyms = root.putArray("synonyms");
        for (WordGroup group : SceneWords.groups()) {
            ArrayNode words = synonyms.addArray();
            group.words().forEach(words::add);
        }
        ArrayNode list = root.putArray("scenes");
        for (Scene scene : scenes) {
            ObjectNode node = list.addObject();
            node.put("name", scene.name());
            node.put("size", scene.size());
            node.put("background", scene.background().word());
            ArrayNode parties = node.putArray("parties");
            for (Scene.Party party : scene.parties()) {
                ObjectNode one = parties.addObject();
                one.put("kind", party.kind().word());
                one.put("colour", party.colour().word());
                ArrayNode boxes = one.putArray("boxes");
                for (Scene.Box box : party.boxes()) {
                    boxes.addArray().add(box.x()).add(box.y()).add(box.side());
                }
            }
            if (scene.relation() != null) {
                node.put("relation", scene.relation().phrases().get(0));
            }
            ArrayNode words = node.putArray("words");
            scene.truth().forEach(group -> words.add(group.canonical()));
            ArrayNode captions = node.putArray("captions");
            scene.captions().forEach(captions::add);
        }
        return root;
    }

    private static IndexColorModel palette() {
        byte[] red = new byte[256];
        byte[] green = new byte[256];
        byte[] blue = new byte[256];
        for (int i = 0; i < Scene.CLASSES; i++) {
            red[i] = (byte) (CLASS_COLOURS[i] >> 16);
            green[i] = (byte) (CLASS_COLOURS[i] >> 8);
            blue[i] = (byte) CLASS_COLOURS[i];
        }
        red[255] = green[255] = blue[255] = (byte) 255;
        return new IndexColorModel(8, 256, red, green, blue);
    }
}
