package org.lexvla.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.random.RandomGenerator;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.lexvla.lexical.Device;

/**
 * From a picture to the numbers a visual encoder takes (SPEC §4): RGB, shorter side resized to {@code resize} with
 * Pillow's antialiased bicubic, the centre {@code crop} x {@code crop} of it, divided by 255, less {@code mean}, over
 * {@code std}, as float32 [3, crop, crop].
 *
 * <p>The 8-bit stage equals Pillow's to the grey level, the numbers those of Hugging Face's {@code BitImageProcessor}
 * to the bit. The longer side becomes {@code floor(resize * long / short)}; an odd remainder of the crop is rounded
 * down. Settings are kept as {@code preprocessor_config.json} with that processor's keys.
 *
 * <p>Immutable and safe for use by several threads.
 *
 * @param resize shorter side after resizing, pixels
 * @param crop   side of the square that is kept, pixels, at most {@code resize}
 * @param mean   of red, green, blue in [0, 1]
 * @param std    of red, green, blue, positive
 */
public record ImageTransform(int resize, int crop, float[] mean, float[] std) {
    /** The name under which Hugging Face directories keep these settings. */
    public static final String FILE = "preprocessor_config.json";

    private static final float[] IMAGENET_MEAN = {0.485f, 0.456f, 0.406f};
    private static final float[] IMAGENET_STD = {0.229f, 0.224f, 0.225f};
    /** Pillow's number for bicubic. */
    private static final int BICUBIC = 3;
    /** A crop may be this much wider than high or higher than wide (torchvision's RandomResizedCrop). */
    private static final double MAX_ASPECT = 4.0 / 3.0;

    private static final int CROP_ATTEMPTS = 10;
    /** Longest side after resizing, so that a strip of one pixel times millions is an error and no overflow. */
    private static final int MAX_SIDE = 1 << 24;

    public ImageTransform {
        if (crop < 1 || resize < crop) {
            throw new IllegalArgumentException(
                    "shorter side " + resize + " and crop " + crop + ": need 1 <= crop <= shorter side");
        }
        if (mean.length != 3 || std.length != 3) {
            throw new IllegalArgumentException(
                    "mean has " + mean.length + " and std " + std.length + " values, need 3 each: red, green, blue");
        }
        for (float s : std) {
            if (!(s > 0)) {
                throw new IllegalArgumentException("std " + Arrays.toString(std) + " must be positive");
            }
        }
        mean = mean.clone();
        std = std.clone();
    }

    /** ImageNet's mean and deviation, shorter side and crop both {@code size} (SPEC §4: 224). */
    public static ImageTransform imageNet(int size) {
        return new ImageTransform(size, size, IMAGENET_MEAN, IMAGENET_STD);
    }

    @Override
    public float[] mean() {
        return mean.clone();
    }

    @Override
    public float[] std() {
        return std.clone();
    }

    /**
     * Reads {@code preprocessor_config.json}.
     *
     * @param path the file, or the directory that holds it
     * @throws IOException              if it is missing or no JSON
     * @throws IllegalArgumentException if it asks for something that this transform does not do
     */
    public static ImageTransform load(Path path) throws IOException {
        Path file = Files.isDirectory(path) ? path.resolve(FILE) : path;
        JsonNode json = LexVlaConfig.tree(file);
        if (json.path("resample").asInt(BICUBIC) != BICUBIC) {
            throw new IllegalArgumentException(
                    file + ": resample is " + json.get("resample") + ", only 3 (bicubic) is done");
        }
        for (String step : new String[] {"do_resize", "do_center_crop", "do_rescale", "do_normalize"}) {
            if (!json.path(step).asBoolean(true)) {
                throw new IllegalArgumentException(
                        file + ": " + step + " is false, this transform always does that step");
            }
        }
        if (Math.abs(json.path("rescale_factor").asDouble(1 / 255.0) * 255 - 1) > 1e-6) {
            throw new IllegalArgumentException(
                    file + ": rescale_factor is " + json.get("rescale_factor") + ", need 1/255");
        }
        JsonNode size = json.path("size");
        int resize = size.isInt() ? size.asInt() : size.path("shortest_edge").asInt();
        JsonNode cropSize = json.path("crop_size");
        int crop = cropSize.isInt() ? cropSize.asInt() : cropSize.path("height").asInt();
        if (resize < 1 || crop < 1) {
            throw new IllegalArgumentException(
                    file + ": needs size.shortest_edge and crop_size.height, has " + size + " and " + cropSize);
        }
        if (cropSize.path("width").asInt(crop) != crop) {
            throw new IllegalArgumentException(file + ": crop " + cropSize + " is not square");
        }
        return new ImageTransform(
                resize,
                crop,
                floats(json.get("image_mean"), IMAGENET_MEAN),
                floats(json.get("image_std"), IMAGENET_STD));
    }

    private static float[] floats(JsonNode node, float[] otherwise) {
        if (node == null || !node.isArray()) {
            return otherwise;
        }
        float[] values = new float[node.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) node.get(i).asDouble();
        }
        return values;
    }

    /** Writes {@code preprocessor_config.json} into a directory. */
    public void save(Path directory) throws IOException {
        ObjectMapper mapper = new ObjectMapper();
        ObjectNode json = mapper.createObjectNode();
        json.put("image_processor_type", "BitImageProcessor");
        json.put("do_convert_rgb", true);
        json.put("do_resize", true);
        json.putObject("size").put("shortest_edge", resize);
        json.put("resample", BICUBIC);
        json.put("do_center_crop", true);
        json.putObject("crop_size").put("height", crop).put("width", crop);
        json.put("do_rescale", true);
        json.put("rescale_factor", 1 / 255.0);
        json.put("do_normalize", true);
        var means = json.putArray("image_mean");
        var stds = json.putArray("image_std");
        for (int i = 0; i < 3; i++) {
            means.add(mean[i]);
            stds.add(std[i]);
        }
        mapper.writerWithDefaultPrettyPrinter()
                .writeValue(directory.resolve(FILE).toFile(), json);
    }

    /**
     * Reads the first picture of a file: JPEG, PNG, GIF, BMP, WebP; upright, where EXIF says how it lies.
     *
     * <p>JPEG of four inks is mixed to colours as Pillow does it. The samples are Pillow's to the grey level, with two
     * exceptions: 16-bit grey is reduced to its high byte, where Pillow up to 10 clips it to white; and of lossy WebP only the
     * luminance is, because the decoder enlarges the chrominance without smoothing it.
     *
     * @throws IOException naming the file and what is wrong: missing, unknown format, damaged, cut short, more than 67 million
     *                     pixels
     */
    public static BufferedImage read(Path file) throws IOException {
        return PictureReader.read(file);
    }

    /**
     * As {@link #read(Path)}, of a file that is in memory.
     *
     * @param file its bytes
     * @param name what errors call it
     */
    public static BufferedImage read(byte[] file, String name) throws IOException {
        return PictureReader.read(file, name);
    }

    /** Numbers of one transformed picture: {@code 3 * crop * crop}. */
    public int elements() {
        return 3 * crop * crop;
    }

    /** The transformed picture, [3, crop, crop]. */
    public float[] of(BufferedImage image) {
        float[] out = new float[elements()];
        of(image, FloatBuffer.wrap(out));
        return out;
    }

    /**
     * Writes the transformed picture, [3, crop, crop], at the buffer's position and moves it behind. With a direct buffer
     * over a batch [B, 3, crop, crop], one call per picture fills the batch.
     */
    public void of(BufferedImage image, FloatBuffer out) {
        RgbPicture picture = RgbPicture.of(image);
        normalize(cropped(picture), out);
    }

    /**
     * Reads a file and writes its numbers as {@link #of(BufferedImage, FloatBuffer)} does.
     *
     * @throws IOException naming the file and what is wrong, also where the picture can be decoded and not be transformed
     */
    public void read(Path file, FloatBuffer out) throws IOException {
        BufferedImage picture = read(file);
        try {
            of(picture, out);
        } catch (IllegalArgumentException e) {
            throw new IOException("picture " + file + " cannot be used: " + e.getMessage(), e);
        }
    }

    /** The 8-bit stage: resized and cropped, not yet divided and normalised. */
    RgbPicture cropped(RgbPicture picture) {
        int shorter = Math.min(picture.width(), picture.height());
        int longer = Math.max(picture.width(), picture.height());
        long exact = (long) resize * longer / shorter;
        if (exact > MAX_SIDE) {
            throw new IllegalArgumentException("picture of " + picture.width() + "x" + picture.height()
                    + " would have a side of " + exact + " pixels when resized, limit " + MAX_SIDE
                    + ": cut it to a less narrow part");
        }
        int resizedLong = (int) exact;
        int width = picture.width() <= picture.height() ? resize : resizedLong;
        int height = picture.width() <= picture.height() ? resizedLong : resize;
        BicubicResize.Box centre = new BicubicResize.Box((width - crop) / 2, (height - crop) / 2, crop, crop);
        return BicubicResize.resize(picture, BicubicResize.Box.whole(picture), width, height, centre);
    }

    /**
     * The 8-bit stage of {@link #of(BufferedImage, FloatBuffer)}: the resized and cropped picture, [3, crop, crop], a quarter of the memory of the
     * numbers that {@link #normalized} makes of it.
     *
     * @param out where it is written, at the buffer's position, which is moved behind
     */
    public void levels(BufferedImage image, ByteBuffer out) {
        planes(cropped(RgbPicture.of(image)), out);
    }

    /**
     * The transform of training, its 8-bit stage: a random rectangle with an area of {@code minScale} to 1 of the picture's and an aspect
     * of 3/4 to 4/3, resized to {@code crop} x {@code crop} (torchvision's RandomResizedCrop; {@code resize} is not used).
     * The same state of {@code random} gives the same levels.
     *
     * @param minScale least share of the area, in (0, 1]; SPEC §4: 0.9
     * @param out      where [3, crop, crop] is written, at the buffer's position, which is moved behind
     */
    public void randomLevels(BufferedImage image, RandomGenerator random, double minScale, ByteBuffer out) {
        if (!(minScale > 0 && minScale <= 1)) {
            throw new IllegalArgumentException("least share of the area " + minScale + " is not in (0, 1]");
        }
        RgbPicture picture = RgbPicture.of(image);
        BicubicResize.Box from = randomBox(picture.width(), picture.height(), random, minScale);
        planes(BicubicResize.resize(picture, from, crop, crop, new BicubicResize.Box(0, 0, crop, crop)), out);
    }

    /**
     * What the encoder takes, of levels: divided by 255, less {@code mean}, over {@code std}, the same numbers as
     * {@link #of(BufferedImage, FloatBuffer)} writes; computed where the levels are.
     *
     * @param levels [B, 3, H, W], uint8, on any device
     * @return [B, 3, H, W], float32; the caller's {@code PointerScope}'s
     * @throws IllegalArgumentException for another type or shape
     */
    public Tensor normalized(Tensor levels) {
        LibTorch.requireShape("levels", levels, "[pictures, 3, height, width]", -1, 3, -1, -1);
        if (levels.scalar_type().intern() != ScalarType.Byte) {
            throw new IllegalArgumentException("levels are " + levels.scalar_type() + ", need uint8");
        }
        return LibTorch.scoped(() -> levels.is_cpu() ? lookedUp(levels.contiguous()) : computed(levels));
    }

    /** On the CPU: LibTorch's four passes over the numbers cost a small model 4 % of its training step. */
    private Tensor lookedUp(Tensor levels) {
        Tensor numbers = LibTorch.empty(ScalarType.Float, Device.cpu(), LibTorch.shape(levels));
        if (numbers.numel() == 0) {
            return numbers;
        }
        byte[] plane = new byte[Math.toIntExact(levels.size(2) * levels.size(3))];
        float[] of = new float[plane.length];
        BytePointer in = new BytePointer(levels.data_ptr());
        FloatPointer out = numbers.data_ptr_float();
        float[][] tables = {table(0), table(1), table(2)};
        for (long at = 0; at < numbers.numel(); at += plane.length) {
            in.position(at).get(plane);
            float[] table = tables[(int) (at / plane.length % 3)];
            for (int i = 0; i < plane.length; i++) {
                of[i] = table[plane[i] & 0xff];
            }
            out.position(at).put(of);
        }
        return numbers;
    }

    /** On any device. All by tensors that are there: by a plain number a GPU would divide as by its reciprocal, which rounds otherwise. */
    Tensor computed(Tensor levels) {
        Tensor numbers = levels.to(ScalarType.Float);
        return numbers.div_(channels(numbers, 255, 255, 255))
                .sub_(channels(numbers, mean))
                .div_(channels(numbers, std));
    }

    private static Tensor channels(Tensor like, float... values) {
        return LibTorch.of(values, 3, 1, 1).to(like.device(), ScalarType.Float);
    }

    static BicubicResize.Box randomBox(int width, int height, RandomGenerator random, double minScale) {
        double logAspect = Math.log(MAX_ASPECT);
        for (int attempt = 0; attempt < CROP_ATTEMPTS; attempt++) {
            double area = width * (double) height * (minScale + (1 - minScale) * random.nextDouble());
            double aspect = Math.exp(logAspect * (2 * random.nextDouble() - 1));
            int w = (int) Math.round(Math.sqrt(area * aspect));
            int h = (int) Math.round(Math.sqrt(area / aspect));
            if (w > 0 && w <= width && h > 0 && h <= height) {
                return new BicubicResize.Box(random.nextInt(width - w + 1), random.nextInt(height - h + 1), w, h);
            }
        }
        // Nothing fitted: the largest centred rectangle of an allowed aspect.
        int w = Math.min(width, (int) Math.round(height * MAX_ASPECT));
        int h = Math.min(height, (int) Math.round(width * MAX_ASPECT));
        return new BicubicResize.Box((width - w) / 2, (height - h) / 2, Math.max(w, 1), Math.max(h, 1));
    }

    /** Number of each level. Division in double and narrowing first, then float32, in this order, as the Python code does it. */
    private float[] table(int band) {
        float[] table = new float[256];
        for (int value = 0; value < table.length; value++) {
            table[value] = ((float) (value * (1 / 255.0)) - mean[band]) / std[band];
        }
        return table;
    }

    private void normalize(RgbPicture picture, FloatBuffer out) {
        byte[] samples = picture.samples();
        RgbPicture.Layout layout = picture.layout();
        float[] row = new float[picture.width()];
        for (int band = 0; band < 3; band++) {
            float[] table = table(band);
            for (int y = 0; y < picture.height(); y++) {
                int at = layout.of(y, band);
                for (int x = 0; x < row.length; x++, at += layout.pixel()) {
                    row[x] = table[samples[at] & 0xff];
                }
                out.put(row);
            }
        }
    }

    /** Red, green and blue one after the other. */
    private static void planes(RgbPicture picture, ByteBuffer out) {
        byte[] samples = picture.samples();
        RgbPicture.Layout layout = picture.layout();
        byte[] row = new byte[picture.width()];
        for (int band = 0; band < 3; band++) {
            for (int y = 0; y < picture.height(); y++) {
                int at = layout.of(y, band);
                for (int x = 0; x < row.length; x++, at += layout.pixel()) {
                    row[x] = samples[at];
                }
                out.put(row);
            }
        }
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof ImageTransform that
                && resize == that.resize
                && crop == that.crop
                && Arrays.equals(mean, that.mean)
                && Arrays.equals(std, that.std);
    }

    @Override
    public int hashCode() {
        return 31 * (31 * (31 * resize + crop) + Arrays.hashCode(mean)) + Arrays.hashCode(std);
    }

    @Override
    public String toString() {
        return "ImageTransform[resize=" + resize + ", crop=" + crop + ", mean=" + Arrays.toString(mean) + ", std="
                + Arrays.toString(std) + "]";
    }
}
