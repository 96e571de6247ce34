package org.lexvla.cli;

import java.awt.image.BufferedImage;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.lexvla.evaluation.ExplanationSheet;
import org.lexvla.evaluation.HeatMap;
import org.lexvla.evaluation.PictureWords;
import org.lexvla.evaluation.SeenSquare;
import org.lexvla.lexical.LexicalBatch;
import org.lexvla.lexical.LexicalVector;
import org.lexvla.lexical.WeightedWord;
import org.lexvla.model.ImageTransform;
import org.lexvla.model.LexVla;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Shows which words a picture, or a part of it, stands for, and where in it a text is. */
@Command(
        name = "explain",
        description = {
            "Draw the words of a picture, of some of its patches or of a box in it, and where in it a text or a word is.",
            "Words are as high as their weights. The patches most similar to the text keep their colour, the others fade;"
                    + " the first few are framed."
        },
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples: ./lexvla explain --model model --image fox.jpg --out fox.png",
            "          ./lexvla explain --model model --image fox.jpg --box 40,60,120,90 --text \"a red fox\" --out fox.html",
            "          ./lexvla explain --model model --image fox.jpg --patches 3,4,5 --word snow --out fox.png"
        })
final class ExplainCommand implements Callable<Integer> {
    @Option(names = "--model", required = true, paramLabel = "MODEL", description = "Model directory.")
    private Path model;

    @Option(names = "--image", required = true, paramLabel = "FILE", description = "The picture.")
    private Path image;

    @Option(
            names = "--out",
            required = true,
            paramLabel = "FILE",
            description =
                    "What to write: a .png with panels of 800x800 pixels side by side, or a .html, one page that needs"
                            + " nothing else.")
    private Path out;

    @ArgGroup(exclusive = true)
    private Region region = new Region();

    @ArgGroup(exclusive = true)
    private Query query = new Query();

    /** A part of the picture. */
    private static final class Region {
        @Option(
                names = "--patches",
                split = ",",
                paramLabel = "N,N,...",
                hideParamSyntax = true,
                description = "Show the words of these patches too, numbered row by row from 0, such as 3,4,5.")
        private int[] patches;

        @Option(
                names = "--box",
                split = ",",
                paramLabel = "X,Y,W,H",
                hideParamSyntax = true,
                description =
                        "Show the words of a box too: left, top, width and height in pixels of the picture, such as"
                                + " 40,60,120,90."
                                + " Its patches are those whose middle lies in it.")
        private double[] box;
    }

    /** What to look for in the picture. */
    private static final class Query {
        @Option(names = "--text", paramLabel = "TEXT", description = "Show where the picture is about this text.")
        private String text;

        @Option(
                names = "--word",
                paramLabel = "WORD",
                description =
                        "Show where the picture is about this word of the vocabulary, without the language model: by the"
                                + " word's own vector in the text codebook, whose scores are small. Says too how much the word"
                                + " weighs in the picture, which is what 'search --words WORD=1' goes by.")
        private String word;
    }

    @Option(
            names = "--words",
            defaultValue = "60",
            paramLabel = "N",
            description = "Words of a cloud at most (default: ${DEFAULT-VALUE}).")
    private int words;

    @Option(
            names = "--framed",
            paramLabel = "N",
            description = "Patches to frame, the most similar to the text (default: one of twenty).")
    private Integer framed;

    @Mixin
    private DeviceOption device;

    @Mixin
    private Console console;

    private final ExplanationSheet sheet = new ExplanationSheet();
    private final List<ExplainPage.Listed> lists = new ArrayList<>();
    private final Map<String, Object> result = new LinkedHashMap<>();

    @Override
    public Integer call() throws Exception {
        String extension = Inputs.extension(out);
        if (!extension.equals("png") && !extension.equals("html")) {
            throw new IllegalArgumentException(out + " ends with ." + extension + ": explanations are .png or .html");
        }
        if (words < 1 || (framed != null && framed < 0)) {
            throw new IllegalArgumentException("--words is " + words + " and --framed " + framed
                    + ": need at least one word, and no negative number of patches");
        }
        NewFile.require(out);
        BufferedImage picture = ImageTransform.read(image);
        try (BufferAllocator allocator = new RootAllocator();
                LexVla encoder = LexVla.load(model, device.get())) {
            explain(encoder, picture, allocator);
        }
        if (extension.equals("png")) {
            NewFile.writePng(out, sheet.toImage());
        } else {
            String page = ExplainPage.html(image.getFileName().toString(), sheet, lists);
            NewFile.writeBytes(out, page.getBytes(StandardCharsets.UTF_8));
        }
        console.line("drawn in %s", out);
        result.put("out", out.toString());
        console.result(result);
        return 0;
    }

    private void explain(LexVla encoder, BufferedImage picture, BufferAllocator allocator) {
        try (PictureWords found = new PictureWords(encoder, picture, allocator)) {
            explain(encoder, picture, found);
        }
    }

    private void explain(LexVla encoder, BufferedImage picture, PictureWords found) {
        SeenSquare seen = SeenSquare.of(encoder, picture);
        int[] patches = region.patches;
        if (region.box != null) {
            if (region.box.length != 4) {
                throw new IllegalArgumentException(
                        "--box has " + region.box.length + " numbers, needs four: x,y,width,height");
            }
            patches = seen.patches(region.box[0], region.box[1], region.box[2], region.box[3]);
        }
        // What may be refused comes first.
        LexicalVector chosen = patches == null ? null : found.region(patches);
        String asked = query.text != null ? query.text : query.word;
        LexicalVector text = asked == null ? null : vector(encoder);
        // The largest size up to that of a panel which the grid divides, so that patches end at pixels.
        int size = ExplanationSheet.PANEL / seen.columns() * seen.columns();
        BufferedImage square = seen.draw(picture, size);
        sheet.add(ExplanationSheet.Panel.of(
                image.getFileName().toString(),
                String.format(
                        Locale.ROOT,
                        "the square the model sees of %d × %d pixels%s",
                        picture.getWidth(),
                        picture.getHeight(),
                        patches == null ? "" : "; the chosen patches are framed"),
                patches == null ? square : HeatMap.frame(square, patches, seen.columns())));
        LexicalVector whole = found.whole();
        show("words of the picture", "picture", whole);
        if (chosen != null) {
            result.put("patches", patches);
            show("words of " + described(patches), "region", chosen);
        }
        if (asked != null) {
            float[] heat = found.heat(text);
            int frames = framed != null ? framed : Math.max(1, heat.length / 20);
            List<WeightedWord> shares = whole.explain(text, words);
            float score = whole.dot(text);
            String title = String.format(Locale.ROOT, "“%s”: %.4f", asked, score);
            String split = "The score of picture and text, split by the words they share.";
            String by = "";
            if (query.word != null) {
                float weight = whole.weight(asked);
                title = String.format(Locale.ROOT, "“%s”: weight %.4f, score %.4f", asked, weight, score);
                split = String.format(
                        Locale.ROOT,
                        "The weight is that of the word in the picture, which 'search --words %s=1' goes by. The score is that of"
                                + " picture and the word's vector in the text codebook, which the map goes by, split by the"
                                + " words they share.",
                        asked);
                by = " by its vector in the text codebook, as in the map";
                console.line("“%s” weighs %.4f in the picture, as in 'search --words %s=1'", asked, weight, asked);
                result.put("weight", weight);
            }
            boolean apart = shares.isEmpty();
            sheet.add(ExplanationSheet.Panel.of(
                    title,
                    // One line, which has no room for the frames as well.
                    apart ? "no word shared; " + scale(heat, 0) : scale(heat, frames),
                    HeatMap.over(square, heat, seen.columns(), frames, 1)));
            lists.add(new ExplainPage.Listed(title, apart ? "It shares no word with the picture." : split, shares));
            console.line(
                    "“%s” scores %.4f%s: %s",
                    asked, score, by, apart ? "it shares no word with the picture" : text(shares));
            result.put("query", asked);
            result.put("score", score);
            result.put("shares", shares);
            result.put("heat", heat);
        }
    }

    private LexicalVector vector(LexVla encoder) {
        if (query.word != null) {
            encoder.vocabulary().requireWord(query.word);
        }
        try (LexicalBatch batch = query.text != null
                ? encoder.encodeTexts(List.of(query.text))
                : encoder.encodeWords(List.of(query.word))) {
            return batch.get(0);
        }
    }

    private void show(String title, String key, LexicalVector vector) {
        List<WeightedWord> strongest = vector.top(words);
        String active = Count.of(vector.active(), "active word");
        ExplanationSheet.Panel panel = ExplanationSheet.Panel.of(
                title,
                strongest.isEmpty()
                        ? "no active word: none has the weight that the model asks for"
                        : String.format(Locale.ROOT, "%s; height is weight, %s the largest", active, strongest.get(0)),
                strongest);
        sheet.add(panel);
        lists.add(new ExplainPage.Listed(title, active + "; the strongest, with their weights.", strongest));
        console.line("%s: %s", title, strongest.isEmpty() ? "none" : text(strongest));
        result.put(key, strongest);
    }

    /** What the shades of a map of patches mean. */
    private static String scale(float[] heat, int frames) {
        float low = Float.POSITIVE_INFINITY;
        float high = Float.NEGATIVE_INFINITY;
        for (float score : heat) {
            low = Math.min(low, score);
            high = Math.max(high, score);
        }
        if (!(high > low)) {
            return String.format(Locale.ROOT, "every patch scores %.2g", high);
        }
        String framed =
                frames == 0 ? "" : frames == 1 ? "; the highest is framed" : "; the " + frames + " highest are framed";
        return String.format(Locale.ROOT, "patch scores: %.2g grey, %.2g in full colour%s", low, high, framed);
    }

    private static String text(List<WeightedWord> words) {
        return words.stream().limit(10).map(WeightedWord::toString).collect(Collectors.joining(", "));
    }

    private static String described(int[] patches) {
        return patches.length == 1
                ? "patch " + patches[0]
                : patches.length <= 8
                        ? "patches "
                                + Arrays.stream(patches)
                                        .mapToObj(String::valueOf)
                                        .collect(Collectors.joining(", "))
                        : "the " + patches.length + " patches framed";
    }
}
