package org.lexvla.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.lexvla.evaluation.CaptionedPictures;
import org.lexvla.training.CaptionDataset;
import picocli.CommandLine.Option;

/** {@code --data} of pictures with captions, in any of the layouts. */
final class CaptionOptions {
    @Option(
            names = "--data",
            required = true,
            paramLabel = "FILE",
            description = "captions.tsv, a Karpathy dataset_flickr30k.json or dataset_coco.json, or an MSCOCO"
                    + " captions_val2017.json; a picture may have several captions.")
    private Path data;

    @Option(
            names = "--images",
            paramLabel = "DIR",
            description =
                    "Where the pictures of a JSON file lie, such as flickr30k-images/, coco/ (with val2014/ in it) or"
                            + " val2017/ (default: beside the file). Pictures that are missing are counted and named.")
    private Path images;

    @Option(
            names = "--split",
            paramLabel = "NAME",
            description = "Of a Karpathy file: train, restval, val or test (default: test).")
    private String split;

    @Option(
            names = "--captions",
            paramLabel = "N",
            description = "Take the first N captions of each picture (default: " + CaptionedPictures.PUBLISHED_CAPTIONS
                    + " of a JSON file, as published figures do; all of a captions.tsv).")
    private Integer captions;

    /** The pictures with their captions; no picture is opened. */
    CaptionedPictures get() throws IOException {
        Inputs.require(data);
        if (!Inputs.extension(data).equals("json")) {
            if (images != null || split != null) {
                throw new IllegalArgumentException("--images and --split belong to a JSON file, and " + data
                        + " is a table: leave them out, the table says where its pictures are");
            }
            CaptionedPictures all = table(data);
            return captions == null ? all : all.withCaptions(captions);
        }
        Path directory = images == null ? data.toAbsolutePath().getParent() : images;
        Inputs.require(directory);
        return CaptionedPictures.read(data, directory, split)
                .withCaptions(captions == null ? CaptionedPictures.PUBLISHED_CAPTIONS : captions);
    }

    static CaptionedPictures table(Path table) throws IOException {
        Map<Path, Integer> rows = new HashMap<>();
        List<CaptionedPictures.Picture> pictures = new ArrayList<>();
        List<CaptionedPictures.Caption> texts = new ArrayList<>();
        for (CaptionDataset.Pair pair : CaptionDataset.open(table).pairs()) {
            int row = rows.computeIfAbsent(pair.file(), file -> {
                pictures.add(new CaptionedPictures.Picture(Inputs.name(table, file), file));
                return pictures.size() - 1;
            });
            texts.add(new CaptionedPictures.Caption(row, pair.caption()));
        }
        return new CaptionedPictures(pictures, texts);
    }
}
