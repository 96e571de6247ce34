package org.lexvla.spark;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.lexvla.lexical.Device;
import org.lexvla.model.LexVla;

/** The models of this executor: each is loaded by the first task that needs it, shared by all, and ends with the process. */
final class ExecutorModel {
    private static final Map<String, LexVla> LOADED = new HashMap<>();

    private ExecutorModel() {}

    static LexVla get(String directory, String device) throws IOException {
        synchronized (LOADED) {
            String key = device + ' ' + directory;
            LexVla model = LOADED.get(key);
            if (model == null) {
                model = LexVla.load(Path.of(directory), Device.parse(device));
                LOADED.put(key, model);
            }
            return model;
        }
    }
}
